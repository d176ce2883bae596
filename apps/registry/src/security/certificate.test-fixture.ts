import { type KeyObject, generateKeyPairSync, sign } from 'node:crypto'

export type TestCertificate = {
  /** Private key and certificate, as a PEM keystore has them. */
  readonly keystore: string
  readonly certificate: string
}

const ECDSA_WITH_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex')
const COMMON_NAME = Buffer.from('0603550403', 'hex')
const BASIC_CONSTRAINTS = Buffer.from('0603551d13', 'hex')
const ALTERNATIVE_NAMES = Buffer.from('0603551d11', 'hex')

/** A certificate for localhost that signs itself (RFC 5280), valid until the end of `untilYear`. */
export const selfSigned = (commonName: string, untilYear = 2049): TestCertificate => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const algorithm = der(0x30, ECDSA_WITH_SHA256)
  const name = der(0x30, der(0x31, der(0x30, COMMON_NAME, der(0x0c, Buffer.from(commonName)))))
  const extensions = der(
    0x30,
    der(0x30, BASIC_CONSTRAINTS, der(0x04, der(0x30, der(0x01, Buffer.of(0xff))))),
    der(
      0x30,
      ALTERNATIVE_NAMES,
      der(0x04, der(0x30, der(0x82, Buffer.from('localhost')), der(0x87, Buffer.of(127, 0, 0, 1)))),
    ),
  )
  const certificate = der(
    0x30,
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.of(1)),
    algorithm,
    name,
    der(0x30, utcTime('200101000000Z'), utcTime(`${String(untilYear).slice(2)}1231235959Z`)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  )
  const signature = sign('sha256', certificate, privateKey)
  const signed = der(0x30, certificate, algorithm, der(0x03, Buffer.of(0), signature))
  const pem = pemOf('CERTIFICATE', signed)
  return { certificate: pem, keystore: `${keyPem(privateKey)}${pem}` }
}

const keyPem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' })
const utcTime = (text: string): Buffer => der(0x17, Buffer.from(text))
const pemOf = (label: string, bytes: Buffer): string => {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  const length =
    content.length < 0x80
      ? [content.length]
      : content.length < 0x100
        ? [0x81, content.length]
        : [0x82, content.length >> 8, content.length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...length), content])
}
