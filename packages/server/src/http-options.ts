/**
 * HTTP options: the values of the settings as the plain options that the edge gets.
 */
import {DbError} from '@kalamdb/protocol/errors.ts';
import type {Config} from './config.ts';
import {AddressRanges} from './http/client.ts';
import {Cors} from './http/cors.ts';
import type {LiveSocketOptions} from './http/live-socket.ts';
import type {HttpServerOptions} from './http/server.ts';

/** Throws INVALID_INPUT naming the setting. */
export function httpOptions(
  config: Config,
): Pick<HttpServerOptions, 'limits' | 'rates' | 'cors' | 'trustedProxies' | 'metricsReaders' | 'liveSocket'> {
  return {
    liveSocket: liveSocketOptions(config),
    limits: {
      bodyBytesMax: Math.min(config['security.max_request_body_size'], config['rate_limit.request_body_limit_bytes']),
      parametersMax: config['execution.max_parameters'],
      parameterBytesMax: config['execution.max_parameter_size_bytes'],
      handlerTimeoutMs: config['execution.handler_timeout_seconds'] * 1000,
      slowQueryMs: config['logging.slow_query_threshold_ms'],
      keepAliveMs: config['performance.keepalive_timeout'] * 1000,
      directRequests: config['server.direct_requests'] === 'on',
      isCompressing: config['server.compress_answers'],
      connectionsMax: config['performance.max_connections'],
      headersMs: config['performance.client_request_timeout'] * 1000,
      requestMs: config['performance.request_timeout'] * 1000,
      headerBytesMax: config['performance.max_header_size'],
    },
    rates: {
      isOn: config['rate_limit.enable_connection_protection'],
      isLocalExempt: config['rate_limit.exempt_loopback'],
      requestsPerSecond: config['rate_limit.max_requests_per_ip_per_sec'],
      signInsPerSecond: config['rate_limit.max_auth_requests_per_ip_per_sec'],
      queriesPerSecond: config['rate_limit.max_queries_per_sec'],
      connectionsPerAddress: config['rate_limit.max_connections_per_ip'],
      banMs: config['rate_limit.ban_duration_seconds'] * 1000,
      banAfter: config['rate_limit.ban_after_violations'],
      forgetMs: config['rate_limit.cache_ttl_seconds'] * 1000,
      rememberedMax: config['rate_limit.cache_max_entries'],
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
    metricsReaders: new AddressRanges(config['metrics.allowed_ranges'], 'metrics.allowed_ranges'),
  };
}

function liveSocketOptions(config: Config): LiveSocketOptions {
  const heartbeatSeconds = config['websocket.heartbeat_interval_secs'];
  const idleSeconds = config['websocket.client_timeout_secs'];
  if (idleSeconds <= heartbeatSeconds) {
    throw new DbError(
      'INVALID_INPUT',
      `websocket.client_timeout_secs (${idleSeconds}) must be more than websocket.heartbeat_interval_secs (${heartbeatSeconds}), or clients that are there would be closed.`,
    );
  }
  const messagesPerSecond = config['rate_limit.max_messages_per_sec'];
  return {
    messageBytesMax: config['security.max_ws_message_size'],
    messagesPerSecond,
    // Whoever comes back subscribes to all it had at once.
    messagesBurst: messagesPerSecond + config['live.max_subscriptions_per_connection'],
    connectionsMax: config['websocket.max_connections'],
    authMs: config['websocket.auth_timeout_secs'] * 1000,
    idleMs: idleSeconds * 1000,
    heartbeatMs: heartbeatSeconds * 1000,
    queuedBytesMax: config['live.max_queued_bytes'],
    slowMs: config['live.slow_connection_seconds'] * 1000,
    isOriginRequired: config['security.strict_ws_origin_check'],
  };
}
