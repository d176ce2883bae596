import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { type SecureVersion, type TlsOptions, createSecureContext } from 'node:tls'
import { errorMessage } from '@fairlead/base'

/** What of the configuration says how a listener does TLS, in Confluent's names. */
export type TlsConfig = {
  readonly 'ssl.keystore.location': string
  readonly 'ssl.keystore.type': 'PEM' | 'PKCS12'
  readonly 'ssl.keystore.password': string
  readonly 'ssl.key.password': string
  readonly 'ssl.truststore.location': string
  readonly 'ssl.client.authentication': 'NONE' | 'REQUESTED' | 'REQUIRED'
  readonly 'ssl.enabled.protocols': readonly string[]
}

export type TlsMaterial = {
  readonly options: TlsOptions
  /** Until when the certificate is valid, in seconds since 1970; undefined for PKCS12, which hides it. */
  readonly notAfterSeconds: number | undefined
}

/** The files that `readTls` reads. */
export function tlsFiles(config: TlsConfig): readonly string[] {
  return [config['ssl.keystore.location'], config['ssl.truststore.location']].filter(
    (path) => path !== '',
  )
}

/**
 * Certificate, key and whom to trust, ready for a server.
 *
 * @throws {Error} that names the key, the file and what is wrong with it.
 */
export async function readTls(config: TlsConfig): Promise<TlsMaterial> {
  const keystore = await read(config, 'ssl.keystore.location')
  const truststore = await read(config, 'ssl.truststore.location')
  const isPem = config['ssl.keystore.type'] === 'PEM'
  const client = config['ssl.client.authentication']
  const options: TlsOptions = {
    ...(isPem
      ? { cert: keystore, key: keystore, ...passphrase(config['ssl.key.password']) }
      : { pfx: keystore, ...passphrase(config['ssl.keystore.password']) }),
    ...(truststore === undefined ? {} : { ca: truststore }),
    ...versions(config['ssl.enabled.protocols']),
    requestCert: client !== 'NONE',
    rejectUnauthorized: client === 'REQUIRED',
  }
  try {
    createSecureContext(options)
    const notAfter = isPem ? new X509Certificate(keystore ?? '').validTo : undefined
    return {
      options,
      notAfterSeconds: notAfter === undefined ? undefined : Date.parse(notAfter) / 1_000,
    }
  } catch (error) {
    const location = config['ssl.keystore.location']
    throw new Error(`ssl.keystore.location ${location}: ${errorMessage(error)}`, { cause: error })
  }
}

/** What is wrong with the keys together, before any file is read. */
export function tlsProblems(config: TlsConfig): string[] {
  const problems: string[] = []
  if (config['ssl.keystore.location'] === '') {
    problems.push(
      'ssl.keystore.location: an https listener needs a file with its key and certificates',
    )
  }
  if (config['ssl.client.authentication'] !== 'NONE' && config['ssl.truststore.location'] === '') {
    problems.push(
      'ssl.truststore.location: ssl.client.authentication needs the certificates of those who sign for clients',
    )
  }
  return problems
}

async function read(
  config: TlsConfig,
  key: 'ssl.keystore.location' | 'ssl.truststore.location',
): Promise<Buffer | undefined> {
  if (config[key] === '') return undefined
  try {
    return await readFile(config[key])
  } catch (error) {
    throw new Error(`${key} ${config[key]}: ${errorMessage(error)}`, { cause: error })
  }
}

function passphrase(text: string): { readonly passphrase?: string } {
  return text === '' ? {} : { passphrase: text }
}

function versions(protocols: readonly string[]): Partial<TlsOptions> {
  const sorted = protocols.toSorted() as SecureVersion[]
  const [minVersion, maxVersion] = [sorted[0], sorted.at(-1)]
  return minVersion === undefined || maxVersion === undefined ? {} : { minVersion, maxVersion }
}
