/**
 * Who may talk to this node from a browser.
 *
 * A page of any site can send requests to a loopback address. Reading answers
 * it cannot (there are no CORS headers), unless its own name was made to point
 * here (DNS rebinding): so the Host must be one of ours. And it could change
 * data blindly: so a change must not come from a foreign Origin.
 */
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import type { NodeConfig, SecurityConfig } from "../cluster-config.js";
import { badRequest, Problem } from "./problem.js";

export class Guard {
  private readonly hosts: ReadonlySet<string>;
  private readonly origins: ReadonlySet<string>;
  /** Clients repeat their Host: the last one that passed is not looked at again. */
  private lastHost: string | undefined;

  constructor(node: NodeConfig, security: SecurityConfig) {
    const names = ["localhost", "127.0.0.1", "::1", node.host, node.bind, ...security.allowedHosts];
    this.hosts = new Set(names.map((name) => (isIP(name) === 6 ? `[${name}]` : name).toLowerCase()));
    this.origins = new Set(security.allowedOrigins.map((origin) => origin.toLowerCase()));
  }

  /** Why the request is not served, or undefined. */
  refusal(request: IncomingMessage): Problem | undefined {
    const { host } = request.headers;
    if (host === undefined || host === "") return badRequest("a request needs a Host header");
    if (host !== this.lastHost) {
      if (!this.isOurs(host)) {
        return new Problem("unknown-host", "not a host of this node; name it in security.allowedHosts if it should be");
      }
      this.lastHost = host;
    }
    const { method } = request;
    return method === "GET" || method === "HEAD" || method === "OPTIONS"
      ? undefined
      : this.originRefusal(request, host);
  }

  private isOurs(host: string): boolean {
    const lowerCase = host.toLowerCase();
    return this.hosts.has(lowerCase) || this.hosts.has(withoutPort(lowerCase));
  }

  private originRefusal(request: IncomingMessage, host: string): Problem | undefined {
    const { origin } = request.headers;
    const site = request.headers["sec-fetch-site"];
    if (origin === undefined && site === undefined) return undefined;
    if (origin !== undefined) {
      const lowerCase = origin.toLowerCase();
      if (this.origins.has(lowerCase)) return undefined;
      if (!isOriginOf(lowerCase, host.toLowerCase())) return FOREIGN;
    }
    return site === "cross-site" || (origin === undefined && site === "same-site") ? FOREIGN : undefined;
  }
}

const FOREIGN = new Problem("forbidden", "a page of another origin may not change data; see security.allowedOrigins");

function isOriginOf(origin: string, host: string): boolean {
  return origin === `http://${host}` || origin === `https://${host}`;
}

/** A port is a colon and digits at the end; an IPv6 address is in brackets before it. */
function withoutPort(host: string): string {
  const colon = host.lastIndexOf(":");
  if (colon < 0 || colon < host.lastIndexOf("]")) return host;
  for (let index = colon + 1; index < host.length; index++) {
    const code = host.charCodeAt(index);
    if (code < 0x30 || code > 0x39) return host;
  }
  return host.slice(0, colon);
}

/** Why this node must not listen on `bind`, or undefined: clients are not authenticated yet. */
export function bindRefusal(bind: string): Error | undefined {
  if (isLoopback(bind)) return undefined;
  return new Error(
    `refusing to listen on ${bind}: clients are not authenticated yet; set bind to 127.0.0.1, ::1 or localhost`,
  );
}

function isLoopback(bind: string): boolean {
  return bind === "localhost" || bind === "::1" || (isIP(bind) === 4 && bind.startsWith("127."));
}
