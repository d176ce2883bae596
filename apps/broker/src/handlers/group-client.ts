import type { GroupClient } from '../groups/group-shell.ts'
import type { HandlerContext } from './handler.ts'

/** Who asks, in the form that groups keep and DescribeGroups shows. */
export function groupClient({ apiVersion, clientId, peer }: HandlerContext): GroupClient {
  return { apiVersion, clientId, clientHost: `/${peer.address}` }
}
