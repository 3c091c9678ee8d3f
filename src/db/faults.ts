// Connection exceptions and shutdowns; faults of sockets, or none to be had; words of the driver.
const LOST_CODE = /^(08...|57P0.|ECONNRESET|ECONNREFUSED|EPIPE|ETIMEDOUT|EMFILE|ENFILE)$/;
/** A network that is away, a name that nobody knows, and whatever else befalls a socket. */
const LOST_BY_CALL = /^(connect|getaddrinfo|read|write)$/;
/** As TLS names a server that is not who it should be. */
const LOST_IN_HANDSHAKE = /CERT|SIGNATURE|ISSUER|_TLS_|_SSL_/;
/** As the driver calls an answer that did not come in time. */
export const READ_TIMEOUT = 'Query read timeout';
const LOST_MESSAGE = new RegExp(
  `Connection terminated|timeout exceeded when trying to connect|not queryable|${READ_TIMEOUT}`
    + '|SSL connection',
);

/** The commit's fate is unknown: the connection ended before the answer came. */
export function isConnectionLost(error: unknown): boolean {
  const { code, severity, syscall } = (error ?? {}) as {
    readonly code?: unknown; readonly severity?: unknown; readonly syscall?: unknown;
  };
  // Whatever is fatal to a connection ends it: too many of them, a database that lets nobody in.
  if (severity === 'FATAL') return true;
  if (typeof code === 'string') {
    return LOST_CODE.test(code) || LOST_BY_CALL.test(String(syscall))
      || LOST_IN_HANDSHAKE.test(code);
  }
  return error instanceof Error && LOST_MESSAGE.test(error.message);
}

/** Somebody held a lock for longer than anybody waits for one. */
export function isLockTimeout(error: unknown): boolean {
  return codeOf(error) === '55P03';
}

/**
 * The database is there and does nothing for now, whatever it is asked: it only reads, as one that
 * is no primary any more; its disk or memory is full, or its disk fails; it must be vacuumed
 * first; it is too slow for the time it was given.
 */
export function isUnable(error: unknown): boolean {
  // What gives new numbers of transactions; its words are in the server's language, and the code is
  // that of many other limits, which a statement would meet again.
  const { routine } = (error ?? {}) as { routine?: unknown };
  return /^(25006|53...|57014|58030)$/.test(String(codeOf(error)))
    || (codeOf(error) === '54000' && /^GetNew(TransactionId|MultiXactId)$/.test(String(routine)));
}

/** A function refused to do more of what it limits (`program_limit_exceeded`). */
export function isLimitOfFunction(error: unknown): boolean {
  return codeOf(error) === '54000';
}

/** Nobody could be helped now, alone or with others. */
export function isAway(error: unknown): boolean {
  return isConnectionLost(error) || isUnable(error);
}

/** Known not committed: serialization failure, deadlock, lock timeout, or unable to. */
export function isKnownNotCommitted(error: unknown): boolean {
  const code = codeOf(error);
  return code === '40001' || code === '40P01' || isLockTimeout(error) || isUnable(error);
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}
