import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApacheKafka, kafkaTool } from './apache-kafka.ts'
import { CertificateAuthority } from './certificates.ts'
import { freePort } from './free-port.ts'

const ENTER_ONLY = 0o711
const JAAS_MODULES = {
  PLAIN: 'org.apache.kafka.common.security.plain.PlainLoginModule',
  'SCRAM-SHA-256': 'org.apache.kafka.common.security.scram.ScramLoginModule',
  'SCRAM-SHA-512': 'org.apache.kafka.common.security.scram.ScramLoginModule',
} as const

export type Mechanism = keyof typeof JAAS_MODULES

export const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const satisfies Mechanism[]

/** Who may log in, with each mechanism. */
export const USER = { name: 'fairlead', password: 'of fairlead' } as const

/** Users of PLAIN stand in the configuration; those of SCRAM are made. */
const PLAIN_USER = ` user_${USER.name}="${USER.password}"`

type Config = Readonly<Record<string, string | number>>

/**
 * Apache Kafka with three listeners: a plain one for the test itself, one with TLS and passwords, and one
 * with TLS that asks for a certificate. Needs Java, as `ApacheKafka`.
 */
export class SecuredKafka {
  /** Of the plain listener. */
  readonly address: string
  /** TLS, and a password of `USER`. */
  readonly saslAddress: string
  /** TLS, and a certificate that `authority` has issued. */
  readonly mutualAddress: string
  readonly directory: string
  readonly authority: CertificateAuthority
  readonly #kafka: ApacheKafka

  static async start(config: Config = {}): Promise<SecuredKafka> {
    const directory = await mkdtemp(join(tmpdir(), 'secured-kafka-'))
    await chmod(directory, ENTER_ONLY)
    const authority = await CertificateAuthority.create(directory)
    const ports = { SASL: await freePort(), MUTUAL: await freePort() }
    const keystore = await issuedKeystore(authority, join(directory, 'kafka.pem'))
    const listeners = securedListeners(keystore, authority)
    const kafka = await ApacheKafka.start({ ...listeners, ...config }, ports)
    const secured = new SecuredKafka({ directory, authority, kafka, ports })
    await secured.#createUser()
    return secured
  }

  private constructor(given: {
    readonly directory: string
    readonly authority: CertificateAuthority
    readonly kafka: ApacheKafka
    readonly ports: { readonly SASL: number; readonly MUTUAL: number }
  }) {
    const { directory, authority, kafka, ports } = given
    this.directory = directory
    this.authority = authority
    this.#kafka = kafka
    this.address = kafka.address
    this.saslAddress = `127.0.0.1:${ports.SASL}`
    this.mutualAddress = `127.0.0.1:${ports.MUTUAL}`
  }

  /** A certificate for a client, and its key, in one file. */
  issueKeystore(name: string): Promise<string> {
    return issuedKeystore(this.authority, join(this.directory, `${name}.pem`))
  }

  async stop(): Promise<void> {
    await this.#kafka.stop()
    await rm(this.directory, { recursive: true, force: true })
  }

  async #createUser(): Promise<void> {
    for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512']) {
      const user = ['--entity-type', 'users', '--entity-name', USER.name]
      const change = ['--alter', '--add-config', `${mechanism}=[password=${USER.password}]`]
      const flags = ['--bootstrap-server', this.address, ...user, ...change]
      const tool = 'org.apache.kafka.tools.ConfigCommand'
      const { exitCode, complaints } = await kafkaTool(tool, flags)
      if (exitCode !== 0) throw new Error(`the user was not made: ${complaints}`)
    }
  }
}

/** Kafka's own way to say who a client is. */
export function jaasConfig(mechanism: Mechanism, password: string = USER.password): string {
  return `${JAAS_MODULES[mechanism]} required username="${USER.name}" password="${password}";`
}

async function issuedKeystore(authority: CertificateAuthority, path: string): Promise<string> {
  const files = { certificate: `${path}.crt`, key: `${path}.key` }
  await authority.issue({ ...files, days: 2 })
  const [key, certificate] = [await readFile(files.key), await readFile(files.certificate)]
  await writeFile(path, Buffer.concat([key, certificate]))
  return path
}

function securedListeners(keystore: string, authority: CertificateAuthority): Config {
  const protocols = {
    PLAINTEXT: 'PLAINTEXT',
    CONTROLLER: 'PLAINTEXT',
    SASL: 'SASL_SSL',
    MUTUAL: 'SSL',
  }
  const keystoreOf = (name: string): Config => ({
    [`listener.name.${name}.ssl.keystore.type`]: 'PEM',
    [`listener.name.${name}.ssl.keystore.location`]: keystore,
  })
  return {
    'listener.security.protocol.map': Object.entries(protocols)
      .map(([name, protocol]) => `${name}:${protocol}`)
      .join(),
    ...keystoreOf('sasl'),
    'listener.name.sasl.sasl.enabled.mechanisms': MECHANISMS.join(),
    ...Object.fromEntries(
      MECHANISMS.map((mechanism) => [
        `listener.name.sasl.${mechanism.toLowerCase()}.sasl.jaas.config`,
        `${JAAS_MODULES[mechanism]} required${mechanism === 'PLAIN' ? PLAIN_USER : ''};`,
      ]),
    ),
    ...keystoreOf('mutual'),
    'listener.name.mutual.ssl.truststore.type': 'PEM',
    'listener.name.mutual.ssl.truststore.location': authority.file,
    'listener.name.mutual.ssl.client.auth': 'required',
  }
}
