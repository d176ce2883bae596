import type { FastifyInstance } from 'fastify'
import type { RegistryConfig } from '../config.ts'
import { FollowedFiles } from '../followed-files.ts'
import { type TlsMaterial, readTls, tlsFiles } from '../security/tls.ts'
import { Listeners, parseListener } from './listeners.ts'

interface Logger {
  info(fields: object, message: string): void
  error(fields: object, message: string): void
}

export type ConfiguredListeners = {
  /** Opens the ports; answers where, with the real port for 0. */
  listen(): Promise<readonly string[]>
  close(): Promise<void>
}

type ConfiguredListenersParts = {
  readonly addRoutes: (server: FastifyInstance) => void
  readonly logger: Logger
  /** Told until when the certificate is valid, in seconds since 1970, whenever it was read. */
  readonly onCertificate: (notAfterSeconds: number) => void
  /** Of tests. */
  readonly lookEveryMs?: number
}

/** Undefined where the API is on the port of health and metrics. @throws {Error} of `readTls`. */
export async function configuredListeners(
  config: RegistryConfig,
  parts: ConfiguredListenersParts,
): Promise<ConfiguredListeners | undefined> {
  const { addRoutes, logger, onCertificate } = parts
  const listeners = config.listeners.flatMap((text) => parseListener(text) ?? [])
  if (listeners.length === 0) return undefined
  if (listeners.every(({ scheme }) => scheme === 'http')) {
    return new Listeners({ listeners, tls: undefined, addRoutes })
  }
  let tls: TlsMaterial | undefined
  let opened: Listeners | undefined
  const files = await FollowedFiles.follow({
    paths: tlsFiles(config),
    load: async () => {
      tls = await readTls(config)
      opened?.useTls(tls)
      if (tls.notAfterSeconds !== undefined) onCertificate(tls.notAfterSeconds)
      logger.info({ file: config['ssl.keystore.location'] }, 'the certificate was read')
    },
    onFailure: (error) => logger.error({ err: error }, 'the certificate stays what it was'),
    ...(parts.lookEveryMs === undefined ? {} : { lookEveryMs: parts.lookEveryMs }),
  })
  if (!config['ssl.keystore.reload']) await files.close()
  opened = new Listeners({ listeners, tls, addRoutes })
  const all = opened
  return {
    listen: () => all.listen(),
    close: async () => {
      await files.close()
      await all.close()
    },
  }
}
