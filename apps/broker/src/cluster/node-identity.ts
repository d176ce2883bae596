/** How this node is known: to clients (address), and to the files of its directory (ids). */
export type NodeIdentity = {
  readonly nodeId: number
  /** 22 characters of base64url, as Kafka writes a UUID. */
  readonly clusterId: string
  /** Of the one directory of `log.dirs`. */
  readonly directoryId: string
  readonly rack: string | null
  /** Advertised address. */
  readonly host: string
  readonly port: number
}
