/** Password policy: which passwords may be chosen. The texts are the reasons that people read. */

export interface PasswordPolicy {
  readonly minLength: number;
  readonly maxLength: number;
  /** One letter of each case, a digit and something else. */
  readonly isComplex: boolean;
}

/** Undefined: it may be chosen. Lengths are counted in characters. */
export function weakness(password: string, userId: string, policy: PasswordPolicy): string | undefined {
  const length = [...password].length;
  if (length < policy.minLength) return `Password must be at least ${policy.minLength} characters (weak)`;
  if (length > policy.maxLength) return `Password must be at most ${policy.maxLength} characters (bcrypt limit, weak)`;
  const plain = password.toLowerCase();
  if (COMMON.has(plain) || plain === userId.toLowerCase()) return 'Password is too common';
  if (!policy.isComplex) return undefined;
  const missing = KINDS.find(([, kind]) => !kind.test(password));
  return missing && `Password must include at least one ${missing[0]}`;
}

const KINDS: readonly [name: string, kind: RegExp][] = [
  ['uppercase letter', /\p{Lu}/u],
  ['lowercase letter', /\p{Ll}/u],
  ['digit', /\p{Nd}/u],
  ['special character', /[^\p{L}\p{Nd}]/u],
];

/** What every list of guesses begins with, in small letters. */
const COMMON: ReadonlySet<string> = new Set(
  `password 123456 12345678 qwerty abc123 monkey 1234567 letmein trustno1 dragon baseball iloveyou master sunshine ashley bailey passw0rd shadow
  123123 654321 superman qazwsx michael football
  123456789 1234567890 0123456789 0987654321 987654321 87654321 11111111 00000000 12341234 11223344 12344321 88888888 123123123 66666666 99999999
  password1 password12 password123 password1234 passwort passw0rd1 p@ssw0rd p@ssword pa55word changeme changeit default123 welcome1 welcome123
  admin123 admin1234 administrator adminadmin rootroot root1234 letmein1 letmein123 secret123 qwertyui qwertyuiop qwerty12 qwerty123 qwerty1234
  1q2w3e4r 1q2w3e4r5t 1qaz2wsx zaq12wsx qazwsxedc asdfghjk asdfghjkl asdf1234 zxcvbnm1 abcd1234 abc12345 abcdefgh a1b2c3d4 aa123456
  princess princess1 iloveyou1 sunshine1 football1 baseball1 superman1 starwars whatever trustno11 computer internet jennifer michelle jordan23
  charlie1 monkey123 dragon123 liverpool chocolate butterfly samantha victoria elizabeth pokemon1 minecraft startrek blink182 kalamdb1 kalamdb123`.split(
    /\s+/,
  ),
);
