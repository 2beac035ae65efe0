/** KILL JOB: cancels a job and answers when its work has really stopped. */
import {defineStatement, done} from '../define.ts';

export const killJob = defineStatement<string>({
  name: 'KILL JOB',
  heads: ['KILL JOB'],
  access: {admin: 'job management'},
  auditTarget: id => id,
  takesParams: false,
  doc: {
    topic: 'Jobs',
    syntax: "KILL JOB {'id' | id}",
    about: 'Cancels a job, and answers when its work has stopped.',
    example: "KILL JOB 'FL-0123456789ab'",
    fails: 'Not found',
  },
  parse(cursor) {
    cursor.expectKeywords('KILL', 'JOB');
    if (cursor.isString()) return cursor.string();
    // A bare id such as FL-0123abcd is several tokens to SQL: take the text as it stands.
    const start = cursor.start;
    while (!cursor.atEnd()) cursor.next();
    const id = cursor.statement.text.slice(start).replace(/^"(.*)"$/, '$1');
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(id)) throw cursor.fail('Expected a job id', start);
    return id;
  },
  async run(jobId, context) {
    await context.services.jobs.cancel(jobId, context.session.userId);
    return done(context, `Job ${jobId} killed: cancelled`);
  },
});
