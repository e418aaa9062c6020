/**
 * Authority: `host:port` as URLs have it (RFC 3986, 3.2).
 */

/** An IPv6 address stands in brackets there (3.2.2). */
export function authority(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
