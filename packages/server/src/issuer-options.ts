/**
 * Issuer options: which issuers of tokens the settings trust, and under which names accounts know them.
 *
 *     oauth.providers.<name>        enabled, with oauth.enabled        provider = the name
 *     auth.jwt_trusted_issuers      every URL there                    provider = the name of the provider it is of, else the URL
 *
 * Law: whoever is trusted is named in the settings, whole; and nobody gets an account from a token that was meant for another application.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {TrustedIssuer} from './auth/external-tokens.ts';
import {isSafeUrl} from './auth/issuer-keys.ts';
import {TOKEN_ISSUER} from './auth/token.ts';
import type {Config} from './config.ts';

const PROVIDERS = ['google', 'github', 'azure', 'firebase'] as const;

/** Throws INVALID_INPUT naming the setting. */
export function trustedIssuers(config: Config): TrustedIssuer[] {
  const providers = PROVIDERS.map(name => providerOf(name, config));
  const isOn = (name: (typeof PROVIDERS)[number]) =>
    config['oauth.enabled'] && config[`oauth.providers.${name}.enabled`];
  const enabled = providers.filter(({provider}) => isOn(provider as (typeof PROVIDERS)[number]));
  for (const {provider, issuer} of enabled) {
    if (issuer === '') throw wrong(`oauth.providers.${provider} is enabled and has no issuer`);
    checkIssuer(issuer, `oauth.providers.${provider}.issuer`);
  }
  const listed = config['auth.jwt_trusted_issuers'].map(issuer => {
    checkIssuer(issuer, 'auth.jwt_trusted_issuers');
    const known = providers.find(one => one.issuer === issuer);
    return known ?? {issuer, provider: issuer, audiences: config['auth.jwt_audiences'], jwksUri: undefined};
  });
  const all = new Map([...enabled, ...listed].map(one => [one.issuer, one]));
  return [...all.values()];
}

/** The role of accounts that are made for whoever comes; undefined: none are. Throws INVALID_INPUT. */
export function provisionRole(config: Config, issuers: readonly TrustedIssuer[]): 'user' | 'service' | undefined {
  if (!config['oauth.enabled'] || !config['oauth.auto_provision']) return undefined;
  const open = issuers.find(({audiences}) => audiences.length === 0);
  if (open !== undefined)
    throw wrong(
      `oauth.auto_provision would give an account to whoever has a token of ${open.issuer}, for whatever application; set client_id of its provider, or auth.jwt_audiences`,
    );
  return config['oauth.default_role'];
}

/** What people should know of issuers whose tokens may be for anybody. */
export function issuerWarnings(issuers: readonly TrustedIssuer[]): string[] {
  return issuers
    .filter(({audiences}) => audiences.length === 0)
    .map(
      ({issuer}) =>
        `Tokens that ${issuer} made for other applications are taken too: auth.jwt_audiences, or client_id of its provider, would name yours.`,
    );
}

function providerOf(name: (typeof PROVIDERS)[number], config: Config): TrustedIssuer {
  const clientId = config[`oauth.providers.${name}.client_id`];
  const jwksUri = config[`oauth.providers.${name}.jwks_uri`] || undefined;
  if (jwksUri !== undefined && !isSafeUrl(jwksUri, true))
    throw wrong(`oauth.providers.${name}.jwks_uri must be an https:// address`);
  const audiences = clientId === '' ? config['auth.jwt_audiences'] : [clientId];
  return {
    provider: name,
    issuer: config[`oauth.providers.${name}.issuer`] || derivedIssuer(name, config),
    audiences,
    jwksUri,
  };
}

function derivedIssuer(name: (typeof PROVIDERS)[number], config: Config): string {
  const tenant = config['oauth.providers.azure.tenant'];
  const project = config['oauth.providers.firebase.client_id'];
  if (name === 'azure' && tenant !== '') return `https://login.microsoftonline.com/${tenant}/v2.0`;
  return name === 'firebase' && project !== '' ? `https://securetoken.google.com/${project}` : '';
}

function checkIssuer(issuer: string, setting: string): void {
  if (issuer === TOKEN_ISSUER) throw wrong(`${setting} must not name the server's own issuer, ${TOKEN_ISSUER}`);
  if (!isSafeUrl(issuer, true) || issuer.includes('?'))
    throw wrong(`${setting} must be the https:// address of an issuer, not ${JSON.stringify(issuer)}`);
}

function wrong(what: string): DbError {
  return new DbError('INVALID_INPUT', `${what}.`);
}
