/** Cookies: those in which browsers keep their tokens. Scripts cannot read them, and browsers send them to requests of the same site alone. */
export const ACCESS_COOKIE = 'kalamdb_auth';
export const REFRESH_COOKIE = 'kalamdb_refresh';

/** The first of that name, as it was sent. */
export function readCookie(header: string | undefined, name: string): string | undefined {
  for (const pair of header?.split(';') ?? []) {
    const [key, value] = pair.split('=', 2);
    if (key!.trim() === name && value !== undefined && value.trim() !== '') return value.trim();
  }
  return undefined;
}

/** `isSecure`: browsers send it over https only. */
export function cookieText(
  name: string,
  token: string,
  {untilMs, isSecure}: {untilMs: number; isSecure: boolean},
): string {
  const secure = isSecure ? '; Secure' : '';
  return `${name}=${token}; Path=/; HttpOnly; SameSite=Strict${secure}; Expires=${new Date(untilMs).toUTCString()}`;
}
