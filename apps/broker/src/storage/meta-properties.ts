import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { OperationalError, type Random } from '@fairlead/base'
import { randomUuid } from '@fairlead/metadata'
import { syncDirectory } from './durable-directory.ts'

const FILE = 'meta.properties'
const VERSION = '1'

/** Whose data a directory holds; in the file that Kafka keeps for it. */
export type MetaProperties = {
  readonly clusterId: string
  readonly nodeId: number
  readonly directoryId: string
}

/** The directory belongs to another node or cluster than the configuration says. */
export class WrongDirectoryError extends OperationalError {
  override readonly name = 'WrongDirectoryError'

  constructor(message: string) {
    super(message, { code: 'WRONG_DIRECTORY', retryable: false })
  }
}

/**
 * Reads whose directory it is, or, in a new one, writes it down: a random cluster id unless one is
 * configured.
 *
 * @throws {WrongDirectoryError} rather than serve another node's data.
 */
export function openMetaProperties(
  directory: string,
  expected: {
    readonly clusterId: string | undefined
    readonly nodeId: number
    readonly random: Random
  },
): MetaProperties {
  const path = join(directory, FILE)
  const stored = readProperties(path)
  if (stored === undefined) {
    const created = {
      clusterId: expected.clusterId ?? randomUuid(expected.random),
      nodeId: expected.nodeId,
      directoryId: randomUuid(expected.random),
    }
    writeProperties(directory, created)
    return created
  }
  const meta = parse(stored, path)
  if (meta.nodeId !== expected.nodeId) {
    throw new WrongDirectoryError(
      `${path} belongs to node.id=${meta.nodeId}, but this is node.id=${expected.nodeId}`,
    )
  }
  if (expected.clusterId !== undefined && meta.clusterId !== expected.clusterId) {
    throw new WrongDirectoryError(
      `${path} belongs to cluster ${meta.clusterId}, but cluster.id is ${expected.clusterId}`,
    )
  }
  return meta
}

function readProperties(path: string): ReadonlyMap<string, string> | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  return new Map(
    text
      .split('\n')
      .filter((line) => line.includes('=') && !line.startsWith('#'))
      .map((line) => {
        const at = line.indexOf('=')
        return [line.slice(0, at).trim(), line.slice(at + 1).trim()]
      }),
  )
}

function parse(properties: ReadonlyMap<string, string>, path: string): MetaProperties {
  const version = properties.get('version')
  const clusterId = properties.get('cluster.id')
  const nodeId = Number(properties.get('node.id'))
  const directoryId = properties.get('directory.id')
  if (
    version !== VERSION ||
    clusterId === undefined ||
    directoryId === undefined ||
    !Number.isInteger(nodeId)
  ) {
    throw new WrongDirectoryError(`${path} is damaged, or of a version other than ${VERSION}`)
  }
  return { clusterId, nodeId, directoryId }
}

/** Written aside and renamed: after a crash there is the whole file or none. */
function writeProperties(directory: string, meta: MetaProperties): void {
  const path = join(directory, FILE)
  const temporary = `${path}.tmp`
  const file = openSync(temporary, 'w')
  writeSync(
    file,
    `version=${VERSION}\ncluster.id=${meta.clusterId}\nnode.id=${meta.nodeId}\ndirectory.id=${meta.directoryId}\n`,
  )
  fsyncSync(file)
  closeSync(file)
  renameSync(temporary, path)
  syncDirectory(directory)
}
