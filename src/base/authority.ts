/** `host:port` as URLs have it, with the brackets that an IPv6 address needs (RFC 3986, 3.2.2). */
export function authority(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
