/**
 * Job statuses and the moves between them. Pure.
 *
 * Law: a terminal status never changes; every change of a stored status is a compare-and-set through `canMove`.
 */
export const JOB_STATUSES = [
  'new',
  'queued',
  'running',
  'retrying',
  'completed',
  'failed',
  'cancelled',
  'skipped',
] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

export const TRANSITIONS: Readonly<Record<JobStatus, readonly JobStatus[]>> = {
  new: ['queued', 'cancelled'],
  queued: ['running', 'cancelled', 'failed'],
  running: ['completed', 'failed', 'skipped', 'retrying', 'cancelled', 'queued'],
  retrying: ['queued', 'failed', 'cancelled'],
  completed: [],
  failed: [],
  cancelled: [],
  skipped: [],
};

export function canMove(from: JobStatus, to: JobStatus): boolean {
  return TRANSITIONS[from].includes(to);
}

export function isTerminal(status: JobStatus): boolean {
  return TRANSITIONS[status].length === 0;
}
