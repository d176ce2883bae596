import { noNamedSelectStar } from './no-named-select-star.ts'

/** Rules for ESLint, and for oxlint, of programs that read what projections write. */
const plugin = {
  meta: { name: 'fairlead' },
  rules: { 'no-named-select-star': noNamedSelectStar },
} as const

// Both linters take what a module exports by default.
// oxlint-disable-next-line import/no-default-export
export default plugin
