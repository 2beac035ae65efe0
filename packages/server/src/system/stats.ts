/** Stats: what the server measures of itself. */
import {defineSystemTable} from './define.ts';

export const STATS = defineSystemTable({
  name: 'stats',
  incarnation: 11,
  kind: 'computed',
  isVisible: true,
  readers: ['dba', 'system'],
  doc: 'Metrics of the running server.',
  primaryKey: 'metric_name',
  columns: [
    {id: 1, name: 'metric_name', type: 'text', isNullable: false, doc: 'Name of the metric.'},
    {id: 2, name: 'metric_value', type: 'text', isNullable: false, doc: 'Its value as text.'},
  ],
});
