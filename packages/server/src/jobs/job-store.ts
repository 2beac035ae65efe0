/** Job store: rows of system.jobs, read from memory and written through the commit door. */
import {scopeOf, systemRow, textKey} from '../catalog/ddl.ts';
import type {Hot} from '../hot/hot.ts';
import {RowView} from '../model/row-codec.ts';
import {JOBS} from '../system/jobs.ts';
import type {Commit} from '../table/commit.ts';
import type {JobRecord, JobStore} from './job.ts';

export function openJobStore(hot: Hot, commit: Commit): JobStore {
  const scope = scopeOf(JOBS.schema);
  return {
    load() {
      const view = new RowView(JOBS.schema, () => JOBS.schema);
      const records: JobRecord[] = [];
      hot.snapshot(scope).scan({}, false, row => {
        records.push(JOBS.fromRow(view.at(row)) as JobRecord);
        return true;
      });
      return records;
    },
    async write(record, isUrgent = false) {
      await commit.write({rows: [systemRow(JOBS.schema, JOBS.toValues(record), textKey(record.job_id))], isUrgent});
    },
    async remove(jobIds) {
      await commit.write({removes: jobIds.map(id => ({scope, key: textKey(id)})), isUrgent: true});
    },
  };
}
