export {
  type ProjectionAdmin,
  ProjectionAdminError,
  type ProjectionAdminOptions,
  createProjectionAdmin,
} from './projection-admin.ts'
export type {
  MomentVersion,
  ProjectionStatus,
  ProjectionVersion,
  Promotion,
  PromotionOptions,
  Rebuild,
  RebuildKeysOptions,
  RebuildOptions,
  RebuildProgress,
  RebuiltKeys,
  Retirement,
  Tenant,
  Verification,
  VerifiedPromotionOptions,
} from './answers.ts'
