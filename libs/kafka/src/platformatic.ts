import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import type * as Package from '@platformatic/kafka'

/**
 * What every process of ours uses of @platformatic/kafka: tables, compression and checksums. The index, the
 * connections and the codecs of requests load a validator of JSON and compile its schemas, and a client of a
 * registry with all its formats: 300 modules and a quarter of a second of each start. Of the codecs, the
 * tools of operators use some: `platformatic-apis.ts`.
 */
const INDEX = pathToFileURL(createRequire(import.meta.url).resolve('@platformatic/kafka'))

export async function loadOfPackage(path: string): Promise<typeof Package> {
  return (await import(new URL(path, INDEX).href)) as typeof Package
}

const [apis, compression, crc, errors] = (await Promise.all(
  ['apis', 'compression', 'crc32c', 'errors'].map((name) => loadOfPackage(`protocol/${name}.js`)),
)) as [typeof Package, typeof Package, typeof Package, typeof Package]

export const compressionsAlgorithms: typeof Package.compressionsAlgorithms =
  compression.compressionsAlgorithms
export const compressionsAlgorithmsByBitmask: typeof Package.compressionsAlgorithmsByBitmask =
  compression.compressionsAlgorithmsByBitmask
export const crc32c: typeof Package.crc32c = crc.crc32c
export const protocolAPIsById: typeof Package.protocolAPIsById = apis.protocolAPIsById
export const protocolErrors: typeof Package.protocolErrors = errors.protocolErrors
export const protocolErrorsCodesById: typeof Package.protocolErrorsCodesById =
  errors.protocolErrorsCodesById
