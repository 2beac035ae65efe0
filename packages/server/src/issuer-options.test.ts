import assert from 'node:assert/strict';
import {test} from 'node:test';
import {readConfig} from './config.ts';
import {issuerWarnings, provisionRole, trustedIssuers} from './issuer-options.ts';

const read = (text: string) => readConfig({env: {}, file: {name: 'server.toml', text}}).config;

test('nobody is trusted unless the settings say so', () => {
  assert.deepEqual(trustedIssuers(read('')), []);
  assert.deepEqual(trustedIssuers(read('[oauth.providers.google]\nenabled = true')), [], 'oauth.enabled is off');
});

const trusted: [
  why: string,
  text: string,
  issuers: [issuer: string, provider: string, audiences: string[], jwks?: string][],
][] = [
  [
    'an issuer by its URL',
    '[auth]\njwt_trusted_issuers = "https://a.example/, https://b.example"',
    [
      ['https://a.example/', 'https://a.example/', []],
      ['https://b.example', 'https://b.example', []],
    ],
  ],
  [
    'with an audience',
    '[auth]\njwt_trusted_issuers = ["https://a.example"]\njwt_audiences = ["kalam"]',
    [['https://a.example', 'https://a.example', ['kalam']]],
  ],
  [
    'a provider by its name',
    '[oauth]\nenabled = true\n[oauth.providers.google]\nenabled = true\nclient_id = "me"',
    [['https://accounts.google.com', 'google', ['me']]],
  ],
  [
    'a provider whose issuer is listed',
    '[auth]\njwt_trusted_issuers = "https://accounts.google.com"\n[oauth.providers.google]\nclient_id = "me"',
    [['https://accounts.google.com', 'google', ['me']]],
  ],
  [
    'a tenant',
    '[oauth]\nenabled = true\n[oauth.providers.azure]\nenabled = true\ntenant = "t-1"\nclient_id = "me"',
    [['https://login.microsoftonline.com/t-1/v2.0', 'azure', ['me']]],
  ],
  [
    'a project',
    '[oauth]\nenabled = true\n[oauth.providers.firebase]\nenabled = true\nclient_id = "app-1"',
    [
      [
        'https://securetoken.google.com/app-1',
        'firebase',
        ['app-1'],
        'https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com',
      ],
    ],
  ],
];
for (const [why, text, issuers] of trusted) {
  test(`trusted: ${why}`, () => {
    const found = trustedIssuers(read(text)).map(one => [one.issuer, one.provider, one.audiences, one.jwksUri]);
    assert.deepEqual(
      found,
      issuers.map(([issuer, provider, audiences, jwks]) => [issuer, provider, audiences, jwks]),
    );
  });
}

const refused: [why: string, text: string, message: RegExp][] = [
  [
    'an issuer over http',
    '[auth]\njwt_trusted_issuers = "http://a.example"',
    /auth\.jwt_trusted_issuers must be the https/,
  ],
  ['a name', '[auth]\njwt_trusted_issuers = "google"', /auth\.jwt_trusted_issuers/],
  ['the server itself', '[auth]\njwt_trusted_issuers = "kalamdb"', /own issuer/],
  ['a query', '[auth]\njwt_trusted_issuers = "https://a.example/?x"', /auth\.jwt_trusted_issuers/],
  [
    'a tenant that is not told',
    '[oauth]\nenabled = true\n[oauth.providers.azure]\nenabled = true',
    /azure is enabled and has no issuer/,
  ],
  ['keys over http', '[oauth.providers.github]\njwks_uri = "http://a.example/keys"', /github\.jwks_uri/],
];
for (const [why, text, message] of refused) {
  test(`refused: ${why}`, () => {
    assert.throws(() => trustedIssuers(read(text)), {code: 'INVALID_INPUT', message});
  });
}

test('accounts are made only for tokens that are meant for this server', () => {
  const open = read(
    '[auth]\njwt_trusted_issuers = "https://a.example"\n[oauth]\nenabled = true\nauto_provision = true',
  );
  assert.throws(() => provisionRole(open, trustedIssuers(open)), /https:\/\/a\.example.*jwt_audiences/);
  const meant = read(
    '[auth]\njwt_trusted_issuers = "https://a.example"\njwt_audiences = "kalam"\n[oauth]\nenabled = true\nauto_provision = true\ndefault_role = "service"',
  );
  assert.equal(provisionRole(meant, trustedIssuers(meant)), 'service');
  const off = read('[oauth]\nauto_provision = true');
  assert.equal(provisionRole(off, []), undefined, 'oauth.enabled is off');
});

test('an issuer whose tokens may be for anybody is told of at the start', () => {
  const warnings = issuerWarnings(trustedIssuers(read('[auth]\njwt_trusted_issuers = "https://a.example"')));
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /https:\/\/a\.example.*auth\.jwt_audiences/);
});
