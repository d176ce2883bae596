import { readFile, readdir, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import type { SchemaType } from '@fairlead/schemas'
import { UsageError } from '../command/command.ts'

const TYPES: Readonly<Record<string, SchemaType>> = {
  '.avsc': 'AVRO',
  '.json': 'JSON',
  '.proto': 'PROTOBUF',
}

export type SchemaFile = {
  readonly path: string
  /** The file's name without its extension. */
  readonly subject: string
  readonly schemaType: SchemaType
  readonly schema: string
}

/** Deeper folders are not looked into: nobody keeps schemas there, and links may go in circles. */
const DEPTH_MAX = 16

/** The schemas in files and folders, by path. @throws {UsageError} for a file of another kind. */
export async function readSchemaFiles(paths: readonly string[]): Promise<SchemaFile[]> {
  const files: SchemaFile[] = []
  for (const path of paths) {
    if ((await stat(path)).isDirectory()) {
      for (const inner of await filesIn(path, 0)) files.push(await readSchemaFile(inner))
    } else {
      files.push(await readSchemaFile(path))
    }
  }
  return files.sort((left, right) => (left.path < right.path ? -1 : 1))
}

export async function readSchemaFile(path: string): Promise<SchemaFile> {
  const extension = extname(path)
  const schemaType = TYPES[extension]
  if (schemaType === undefined) {
    throw new UsageError(`${path}: schemas are in files *.avsc, *.json or *.proto`)
  }
  const schema = await readFile(path, 'utf8')
  return { path, subject: basename(path, extension), schemaType, schema }
}

async function filesIn(folder: string, depth: number): Promise<string[]> {
  if (depth > DEPTH_MAX) return []
  const paths: string[] = []
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) paths.push(...(await filesIn(path, depth + 1)))
    else if (entry.isFile() && extname(path) in TYPES) paths.push(path)
  }
  return paths
}
