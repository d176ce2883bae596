const IPV4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/
const GROUP_COUNT = 8
const IPV4_IN_IPV6 = '0:0:0:0:0:ffff:'

/**
 * One text for each address, however it was written: an IPv4 address is the same peer on a socket that
 * listens on IPv6. Undefined for what is no address; names are none, since nothing is looked up here.
 */
export function canonicalAddress(text: string): string | undefined {
  const v4 = canonicalIpv4(text)
  if (v4 !== undefined) return v4
  const groups = ipv6Groups(text)
  if (groups === undefined) return undefined
  const v6 = groups.map((group) => group.toString(16)).join(':')
  if (!v6.startsWith(IPV4_IN_IPV6)) return v6
  return groups
    .slice(-2)
    .flatMap((group) => [group >> 8, group & 0xff])
    .join('.')
}

function canonicalIpv4(text: string): string | undefined {
  const bytes = IPV4.exec(text)?.slice(1).map(Number)
  return bytes?.every((byte) => byte <= 0xff) === true ? bytes.join('.') : undefined
}

/** RFC 4291, 2.2: `::` stands for groups of zeros, and the end may be written as an IPv4 address. */
function ipv6Groups(text: string): number[] | undefined {
  const [head = '', tail, more] = text.split('::')
  if (more !== undefined || !text.includes(':')) return undefined
  const first = groupsOf(head)
  const last = groupsOf(tail ?? '')
  if (first === undefined || last === undefined) return undefined
  const zeroCount = GROUP_COUNT - first.length - last.length
  const isComplete = tail === undefined ? zeroCount === 0 : zeroCount >= 1
  return isComplete ? [...first, ...Array.from({ length: zeroCount }, () => 0), ...last] : undefined
}

function groupsOf(text: string): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    const v4 = index === parts.length - 1 ? canonicalIpv4(part) : undefined
    if (v4 !== undefined) {
      const [a = 0, b = 0, c = 0, d = 0] = v4.split('.').map(Number)
      groups.push(a * 256 + b, c * 256 + d)
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16))
    else return undefined
  }
  return groups
}
