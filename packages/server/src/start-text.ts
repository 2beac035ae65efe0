/** Start text: what a person is told when the server starts. */
import type {Catalog} from './catalog/catalog.ts';
import type {DatabaseOptions} from './database.ts';
import type {Hot} from './hot/hot.ts';
import type {Durability} from './log/log.ts';
import type {Schema} from './model/schema.ts';

const CLASS_TEXT: Readonly<Record<Durability, string>> = {
  D2: 'D2: an acknowledged write survives a crash of the machine (fsync before the answer)',
  D1: 'D1: an acknowledged write survives a crash of the process, not of the machine',
  D0: 'D0: an acknowledged write may be lost in any crash',
};

export function describeStart(options: DatabaseOptions, {hot, catalog}: {hot: Hot; catalog: Catalog}): string[] {
  const userTables = catalog.tables().filter((schema: Schema) => schema.kind !== 'system').length;
  const mib = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MiB`;
  return [
    `Data lies in ${options.directory} (${userTables} tables, ${hot.rowCount()} hot rows).`,
    `Durability ${CLASS_TEXT[options.durability]}.`,
    `Rows and manifests in memory: early flushes above ${mib(options.memorySoftBytes)}, writes refused above ${mib(options.memoryHardBytes)}.`,
  ];
}
