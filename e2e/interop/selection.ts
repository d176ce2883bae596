/**
 * What `npm run test:interop -- --client java --suite librdkafka` selects, as `main.ts` hands it over
 * in the environment: names that contain one of the given texts.
 */
export function isSelected(
  kind: 'client' | 'suite' | 'broker',
  name: string,
  { byDefault }: { readonly byDefault: boolean } = { byDefault: true },
): boolean {
  const given = process.env[`INTEROP_${kind.toUpperCase()}`]
  if (given === undefined || given === '') return byDefault
  return given.split(',').some((text) => name.toLowerCase().includes(text.toLowerCase()))
}
