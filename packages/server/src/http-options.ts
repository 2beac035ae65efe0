/**
 * HTTP options: the values of the settings as the plain options that the edge gets.
 */
import type {Config} from './config.ts';
import {AddressRanges} from './http/client.ts';
import {Cors} from './http/cors.ts';
import type {HttpServerOptions} from './http/server.ts';

/** Throws INVALID_INPUT naming the setting. */
export function httpOptions(config: Config): Pick<HttpServerOptions, 'limits' | 'cors' | 'trustedProxies'> {
  return {
    limits: {
      bodyBytesMax: config['security.max_request_body_size'],
      parametersMax: config['execution.max_parameters'],
      parameterBytesMax: config['execution.max_parameter_size_bytes'],
      handlerTimeoutMs: config['execution.handler_timeout_seconds'] * 1000,
      slowQueryMs: config['logging.slow_query_threshold_ms'],
      keepAliveMs: config['performance.keepalive_timeout'] * 1000,
      directRequests: config['server.direct_requests'] === 'on',
      connectionsMax: config['performance.max_connections'],
    },
    cors: new Cors({
      allowedOrigins: config['security.cors.allowed_origins'],
      allowedMethods: config['security.cors.allowed_methods'],
      allowedHeaders: config['security.cors.allowed_headers'],
      exposeHeaders: config['security.cors.expose_headers'],
      maxAgeSeconds: config['security.cors.max_age'],
      allowCredentials: config['security.cors.allow_credentials'],
      publicOrigin: config['server.public_origin'],
    }),
    trustedProxies: new AddressRanges(config['security.trusted_proxy_ranges'], 'security.trusted_proxy_ranges'),
  };
}
