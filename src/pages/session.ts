/** What the gateway wrote into the page it served. */
export interface Session {
  /** Of the demo's first client; absent outside the demo. */
  readonly token?: string;
}

/** What the gateway wrote into the page; empty where it wrote nothing. */
export function readSession(): Session {
  return JSON.parse(document.getElementById('session')?.textContent ?? '{}') as Session;
}

/** '/graphql' of the gateway that served the page, for its WebSocket. */
export function socketUrl(): string {
  return `${location.origin.replace(/^http/, 'ws')}/graphql`;
}
