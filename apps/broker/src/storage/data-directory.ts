import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Random, invariant } from '@fairlead/base'
import type { BrokerConfig } from '../config.ts'
import { lockDirectory } from '@fairlead/runtime'
import { type MetaProperties, openMetaProperties } from './meta-properties.ts'

export type DataDirectory = {
  readonly path: string
  readonly meta: MetaProperties
  /** Lets another process use the directory. */
  release(): void
}

/** Makes, locks and identifies the one directory of `log.dirs` or `log.dir`. */
export function openDataDirectory(config: BrokerConfig, random: Random): DataDirectory {
  const [directory] = config['log.dirs'] ?? config['log.dir']
  invariant(directory !== undefined, 'the configuration was checked as a whole')
  const path = resolve(directory)
  mkdirSync(path, { recursive: true })
  const release = lockDirectory(path)
  try {
    const expected = { clusterId: config['cluster.id'], nodeId: config['node.id'], random }
    return { path, meta: openMetaProperties(path, expected), release }
  } catch (error) {
    release()
    throw error
  }
}
