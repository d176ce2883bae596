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
/** Parameters of a URL that decide over the same as a setting. */
const PARAMETERS = {
  sslmode: ['sslmode', 'ssl', 'uselibpqcompat'],
  sslrootcert: ['sslrootcert', 'ssl'],
  sslcert: ['sslcert', 'ssl'],
  sslkey: ['sslkey', 'ssl'],
} as const satisfies Readonly<Record<keyof DatabaseTls, readonly string[]>>

/**
 * The URL with what is meant made explicit, as `pg` reads it. Where nothing is said a server on this
 * machine, by a loopback address or a socket, is spoken to without TLS; of any other the certificate and
 * the host that it names are checked (`verify-full`).
 *
 * What the URL says of itself goes before that, as does `PGSSLMODE`. An `sslmode=require` in it is
 * `verify-full`, as it always was; in `tls` it is libpq's. What is empty is not said.
 */
export function withTls(url: string, tls: DatabaseTls = {}): string {
  const parsed = new URL(url)
  const { searchParams } = parsed
  for (const file of FILES) {
    if (tls[file] !== undefined) searchParams.set(file, tls[file])
  }
  const isLibpq = tls.sslmode !== undefined ? isOnlyOfLibpq(tls.sslmode) : isReadAsLibpq(parsed)
  const mode = tls.sslmode ?? modeOf(parsed, isLibpq) ?? defaultMode(parsed)
  searchParams.delete('ssl')
  searchParams.delete('uselibpqcompat')
  searchParams.set('sslmode', mode)
  if (isLibpq) searchParams.set('uselibpqcompat', 'true')
  return parsed.href
}

/** What `tls` and the URL both speak of: which of them is meant is not to be guessed. */
export function tlsSaidTwice(
  url: string,
  tls: DatabaseTls,
): readonly { readonly setting: keyof DatabaseTls; readonly parameter: string }[] {
  const { searchParams } = new URL(url)
  const settings = ['sslmode', ...FILES] as const
  return settings
    .filter((setting) => tls[setting] !== undefined)
    .flatMap((setting) => PARAMETERS[setting].map((parameter) => ({ setting, parameter })))
    .filter(({ parameter }) => said(searchParams, parameter) !== undefined)
}

/**
 * Why there is no TLS with a database, with what to do; undefined for any other failure. `url` is what
 * `withTls` made.
 */
export function tlsFailure(url: string, error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { searchParams } = new URL(url)
  const file = FILES.find((name) => 'path' in error && said(searchParams, name) === error.path)
  if (file !== undefined) return `database.${file}: ${error.message}`
  const code = tlsErrorCode(error)
  if (code === undefined) return undefined
  const mode = searchParams.get('sslmode') ?? 'verify-full'
  if (code === NO_TLS_CODE) {
    return `no TLS with the database: the server offers none, and database.sslmode is ${mode}. Turn ssl on there; or, where nobody is on the way, set database.sslmode=disable, or sslmode=disable in its URL`
  }
  return `no TLS with the database: ${error.message} (${code}); database.sslmode is ${mode}. The server's certificate has to be signed by whom database.sslrootcert names, and to name the host of database.url`
}

/** Of several `pg` takes the last. */
function said(searchParams: URLSearchParams, parameter: string): string | undefined {
  return searchParams.getAll(parameter).at(-1) || undefined
}

/** `pg` takes them for `verify-full` otherwise. */
function isOnlyOfLibpq(mode: SslMode): boolean {
  return mode === 'require' || mode === 'verify-ca'
}

function isReadAsLibpq({ searchParams }: URL): boolean {
  return (
    said(searchParams, 'uselibpqcompat') === 'true' && said(searchParams, 'sslmode') !== undefined
  )
}

/** Undefined where neither the URL nor the environment names one. */
function modeOf({ searchParams }: URL, isLibpq: boolean): string | undefined {
  const mode = said(searchParams, 'sslmode')
  if (mode !== undefined) return isLibpq ? mode : modeOfPg(mode)
  if (FILES.some((file) => said(searchParams, file) !== undefined)) return 'verify-full'
  const ssl = said(searchParams, 'ssl')
  if (ssl !== undefined) return ssl === '0' ? 'disable' : modeOfPg(ssl)
  // Where it is not one of its own names `pg` would speak plain text.
  const ofEnvironment = process.env['PGSSLMODE'] || undefined
  return ofEnvironment === undefined ? undefined : modeOfPg(ofEnvironment)
}

/** All other modes are one for `pg`, though it warns that this will not be so for ever. */
function modeOfPg(mode: string): 'disable' | 'no-verify' | 'verify-full' {
  return mode === 'disable' || mode === 'no-verify' ? mode : 'verify-full'
}

function defaultMode(url: URL): SslMode {
  const negotiation = said(url.searchParams, 'sslnegotiation') ?? process.env['PGSSLNEGOTIATION']
  return isOnThisMachine(url) && negotiation !== 'direct' ? 'disable' : 'verify-full'
}

function isOnThisMachine({ hostname, searchParams }: URL): boolean {
  const given = said(searchParams, 'host') ?? decodeURIComponent(hostname)
  const host = given || process.env['PGHOST'] || 'localhost'
  return host.startsWith('/') || LOOPBACK.test(host.replace(/^\[(.*)\]$/, '$1'))
}
