import { errorMessage } from '@fairlead/base'
import { isIP } from 'node:net'
import { type ConnectionOptions, type SecureContext, createSecureContext } from 'node:tls'
import { KafkaError } from './kafka-error.ts'

/** How brokers are spoken to. Without `tls` in plain text, without `sasl` as nobody. */
export type ClientSecurity = {
  readonly tls?: TlsSettings
  readonly sasl?: SaslCredentials
}

/** In PEM. */
export type TlsSettings = {
  /** Whom to trust; without it the authorities that Node knows. */
  readonly ca?: string
  /** For brokers that ask for a certificate: ours, with its chain, and the key. */
  readonly certificate?: string
  readonly key?: string
  readonly keyPassphrase?: string
  /** False takes any name in the certificate of a broker: `ssl.endpoint.identification.algorithm` is empty. */
  readonly isNameChecked: boolean
}

type SaslMechanism = 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'

export type SaslCredentials = {
  readonly mechanism: SaslMechanism
  readonly username: string
  readonly password: string
}

/**
 * What Node is told for a connection to `host`.
 *
 * @throws {KafkaError} INVALID_CONFIG for a certificate or key that cannot be used.
 */
export function tlsOptions(tls: TlsSettings, host: string): ConnectionOptions {
  return {
    secureContext: secureContextOf(tls),
    // TLS names no address, RFC 6066; that of the certificate is compared all the same.
    ...(isIP(host) === 0 && { servername: host }),
    ...(!tls.isNameChecked && { checkServerIdentity: () => undefined }),
  }
}

function secureContextOf({ ca, certificate, key, keyPassphrase }: TlsSettings): SecureContext {
  try {
    return createSecureContext({
      ...(ca !== undefined && { ca }),
      ...(certificate !== undefined && { cert: certificate }),
      ...(key !== undefined && { key }),
      ...(keyPassphrase !== undefined && { passphrase: keyPassphrase }),
    })
  } catch (cause) {
    throw new KafkaError(`a certificate or key for TLS cannot be used: ${errorMessage(cause)}`, {
      code: 'INVALID_CONFIG',
      retryable: false,
      cause,
    })
  }
}
