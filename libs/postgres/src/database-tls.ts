import { NO_TLS_CODE, tlsErrorCode } from './classify-error.ts'

/** The modes of libpq that do not depend on what the server offers: `prefer` and `allow` are none. */
type SslMode = 'disable' | 'require' | 'verify-ca' | 'verify-full'

/** How to speak to a database, with the names and meanings of libpq; files are PEM. */
export type DatabaseTls = {
  readonly sslmode?: SslMode | undefined
  /** Who may have signed the server's certificate; without it, whom Node trusts. */
  readonly sslrootcert?: string | undefined
  readonly sslcert?: string | undefined
  readonly sslkey?: string | undefined
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/i
const FILES = ['sslrootcert', 'sslcert', 'sslkey'] as const
const NAMES = ['sslmode', ...FILES] as const
/** Modes that `pg` takes for `verify-full`, with a warning that it will not do so for ever. */
const TAKEN_FOR_VERIFY_FULL: readonly string[] = ['allow', 'prefer', 'require', 'verify-ca']

/**
 * The URL with what is meant made explicit, as `pg` reads it. Where nothing is said a server on this
 * machine, by a loopback address or a socket, is spoken to without TLS; of any other the certificate and
 * the host that it names are checked (`verify-full`).
 *
 * What the URL says of itself goes before that, as does `PGSSLMODE`. An `sslmode=require` in it is
 * `verify-full`, as it always was; in `tls` it is libpq's.
 */
export function withTls(url: string, tls: DatabaseTls = {}): string {
  const parsed = new URL(url)
  const { searchParams } = parsed
  if (searchParams.has('uselibpqcompat') || searchParams.has('ssl')) return url
  for (const file of FILES) {
    if (tls[file] !== undefined) searchParams.set(file, tls[file])
  }
  const mode = tls.sslmode ?? searchParams.get('sslmode') ?? defaultMode(parsed)
  if (mode === undefined) return url
  const isTakenForMore = tls.sslmode === undefined && TAKEN_FOR_VERIFY_FULL.includes(mode)
  searchParams.set('sslmode', isTakenForMore ? 'verify-full' : mode)
  if (tls.sslmode === 'require' || tls.sslmode === 'verify-ca') {
    searchParams.set('uselibpqcompat', 'true')
  }
  return parsed.href
}

/** Those of `tls` that the URL has, too: which of them is meant is not to be guessed. */
export function tlsSaidTwice(url: string, tls: DatabaseTls): readonly (keyof DatabaseTls)[] {
  const { searchParams } = new URL(url)
  return NAMES.filter((name) => tls[name] !== undefined && searchParams.has(name))
}

/**
 * Why there is no TLS with a database, with what to do; undefined for any other failure. `url` is what
 * `withTls` made.
 */
export function tlsFailure(url: string, error: unknown): string | undefined {
  const code = tlsErrorCode(error)
  if (code === undefined || !(error instanceof Error)) return undefined
  const mode = new URL(url).searchParams.get('sslmode') ?? 'verify-full'
  if (code === NO_TLS_CODE) {
    return `no TLS with the database: the server offers none, and database.sslmode is ${mode}. Turn ssl on there; or, where nobody is on the way, set database.sslmode=disable, or sslmode=disable in its URL`
  }
  return `no TLS with the database: ${error.message} (${code}); database.sslmode is ${mode}. The server's certificate has to be signed by whom database.sslrootcert names, and to name the host of database.url`
}

/** Undefined leaves it to `pg`, which looks at `PGSSLMODE`. */
function defaultMode(url: URL): SslMode | undefined {
  if (FILES.some((file) => url.searchParams.has(file))) return 'verify-full'
  if (process.env['PGSSLMODE'] !== undefined) return undefined
  return isOnThisMachine(url) ? 'disable' : 'verify-full'
}

function isOnThisMachine({ hostname, searchParams }: URL): boolean {
  const given = searchParams.get('host') ?? decodeURIComponent(hostname)
  const host = given === '' ? (process.env['PGHOST'] ?? 'localhost') : given
  return host.startsWith('/') || LOOPBACK.test(host.replace(/^\[(.*)\]$/, '$1'))
}
