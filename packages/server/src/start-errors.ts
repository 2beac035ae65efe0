/** Start errors: what is told to whoever started a server that cannot start. A line for what they can mend, the stack for what is a bug. */
import {DbError} from '@kalamdb/protocol/errors.ts';

interface SystemError extends NodeJS.ErrnoException {
  readonly address?: string;
  readonly port?: number;
  readonly hostname?: string;
}

export function explainStart(error: unknown): string {
  if (error instanceof DbError) return error.message;
  if (!(error instanceof Error)) return String(error);
  return ofListening(error) ?? ofFiles(error) ?? error.stack ?? error.message;
}

function ofListening({code, address, port, hostname}: SystemError): string | undefined {
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} of ${address} is taken: another server runs there, or choose KALAMDB_SERVER_PORT.`;
    case 'EADDRNOTAVAIL':
      return `This machine has no address ${address}: server.host must be one of its own, or 0.0.0.0 for all of them.`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `server.host ${hostname} cannot be found (${code}): it must be an address or a name of this machine.`;
    case 'EACCES':
      return port === undefined ? undefined : `Port ${port} of ${address} may not be used by this account.`;
    default:
      return undefined;
  }
}

/** Whatever the system says of a path. */
function ofFiles({code, syscall, path, message}: SystemError): string | undefined {
  if (code === undefined || syscall === undefined || path === undefined) return undefined;
  const why = /^[A-Z0-9]+: ([^,]+)/.exec(message)?.[1] ?? code;
  return `${path} cannot be used: ${why} (${code}, ${syscall}). The data directory is named by storage.data_path or KALAMDB_DATA_DIR.`;
}
