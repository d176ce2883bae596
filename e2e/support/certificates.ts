import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** Issues certificates with openssl, for as long as the test runs; its own is in `file`. */
export class CertificateAuthority {
  readonly file: string
  readonly #directory: string

  private constructor(directory: string) {
    this.#directory = directory
    this.file = join(directory, 'ca.crt')
  }

  static async create(directory: string): Promise<CertificateAuthority> {
    const authority = new CertificateAuthority(directory)
    const files = ['-keyout', join(directory, 'ca.key'), '-out', authority.file]
    await run('openssl', ['req', '-x509', ...NEW_KEY, ...files, '-days', '2', '-subj', '/CN=test'])
    return authority
  }

  /** Of a server on this machine; of less than 0 days: it expired as long ago. */
  async issue(files: {
    readonly certificate: string
    readonly key: string
    readonly days: number
  }): Promise<void> {
    const request = join(this.#directory, 'request.csr')
    const extensions = join(this.#directory, 'extensions.cnf')
    await writeFile(extensions, 'subjectAltName=DNS:localhost,IP:127.0.0.1\n')
    const { certificate, key, days } = files
    const subject = ['-subj', '/CN=localhost']
    await run('openssl', ['req', ...NEW_KEY, '-keyout', key, '-out', request, ...subject])
    const signed = ['-in', request, '-out', certificate, '-extfile', extensions]
    const issuer = ['-CA', this.file, '-CAkey', join(this.#directory, 'ca.key'), '-CAcreateserial']
    await run('openssl', ['x509', '-req', ...signed, ...issuer, '-days', String(days)])
  }
}
