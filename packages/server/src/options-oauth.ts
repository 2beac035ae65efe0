/** Settings of providers: issuers of tokens that are known by name. What is made of them is in `issuer-options.ts`. */
import type {OptionFacts} from './option-facts.ts';

const ENABLED = {default: false, about: 'Whether its tokens are taken; needs oauth.enabled.'} as const;
const CLIENT = {
  default: '',
  about: 'What its tokens must be for (claim `aud`); empty = auth.jwt_audiences says.',
} as const;
const ISSUER = 'The claim `iss` of its tokens.';
const KEYS = 'Where its keys are; empty = its discovery document says.';

export const OAUTH_OPTIONS = {
  'oauth.enabled': {default: false, about: 'Whether the providers below are looked at, and auto_provision.'},
  'oauth.auto_provision': {
    default: false,
    about:
      'Whether an account is made for whoever comes with a good token and has none; every issuer then needs an audience.',
  },
  'oauth.default_role': {default: 'user', oneOf: ['user', 'service'], about: 'Role of accounts that are made so.'},
  'oauth.providers.google.enabled': ENABLED,
  'oauth.providers.google.issuer': {default: 'https://accounts.google.com', about: ISSUER},
  'oauth.providers.google.jwks_uri': {default: '', about: KEYS},
  'oauth.providers.google.client_id': CLIENT,
  'oauth.providers.github.enabled': ENABLED,
  'oauth.providers.github.issuer': {default: 'https://token.actions.githubusercontent.com', about: ISSUER},
  'oauth.providers.github.jwks_uri': {default: '', about: KEYS},
  'oauth.providers.github.client_id': CLIENT,
  'oauth.providers.azure.enabled': ENABLED,
  'oauth.providers.azure.tenant': {default: '', about: 'Id of the tenant; its issuer is found by it.'},
  'oauth.providers.azure.issuer': {default: '', about: `${ISSUER} Empty = that of the tenant.`},
  'oauth.providers.azure.jwks_uri': {default: '', about: KEYS},
  'oauth.providers.azure.client_id': CLIENT,
  'oauth.providers.firebase.enabled': ENABLED,
  'oauth.providers.firebase.issuer': {default: '', about: `${ISSUER} Empty = that of the project in client_id.`},
  'oauth.providers.firebase.jwks_uri': {
    default: 'https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com',
    about: KEYS,
  },
  'oauth.providers.firebase.client_id': CLIENT,
} as const satisfies Record<string, OptionFacts>;
