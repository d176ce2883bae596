import { resolve } from 'node:path'
import type { Random } from '@fairlead/base'
import { isNoSpace } from '@fairlead/log'
import { lockDirectory } from '@fairlead/runtime'
import { makeDirectory } from './durable-directory.ts'
import { DirectorySpace, type MeasureVolume, dropBallast } from './directory-space.ts'
import { type MetaProperties, openMetaProperties } from './meta-properties.ts'

export type DataDirectory = {
  readonly path: string
  readonly meta: MetaProperties
  readonly space: DirectorySpace
  /** Lets another process use the directory. */
  release(): void
}

export type DataDirectoryOptions = {
  readonly clusterId: string | undefined
  readonly nodeId: number
  readonly random: Random
  readonly reserveBytes: number
  readonly measureVolume: MeasureVolume
}

/** Makes, locks and identifies one directory of `log.dirs`; on a full disk, too. */
export function openDataDirectory(
  directory: string,
  { clusterId, nodeId, random, reserveBytes, measureVolume }: DataDirectoryOptions,
): DataDirectory {
  const path = resolve(directory)
  makeDirectory(path)
  const release = withoutBallast(path, () => lockDirectory(path))
  try {
    const expected = { clusterId, nodeId, random }
    const meta = withoutBallast(path, () => openMetaProperties(path, expected))
    const space = new DirectorySpace(path, { reserveBytes, measureVolume })
    return { path, meta, space, release }
  } catch (error) {
    release()
    throw error
  }
}

/** Tries again without the ballast when there is no room. */
function withoutBallast<Value>(path: string, work: () => Value): Value {
  try {
    return work()
  } catch (error) {
    if (!isNoSpace(error)) throw error
    dropBallast(path)
    return work()
  }
}
