import { Author, AuthorPage, CreateAuthor, ReplaceAuthor } from './authors.ts'
import { Problem, ProblemType, ProblemTypeList } from './problems.ts'
import { Health, OpenApiDocument, Service } from './service.ts'
import { TokenResponse } from './tokens.ts'
import { Registration, User, UserPage } from './users.ts'

/** Every schema with a name of its own; each becomes a component of the OpenAPI document. */
export const schemas = [
  Author,
  AuthorPage,
  CreateAuthor,
  ReplaceAuthor,
  Health,
  OpenApiDocument,
  Service,
  Problem,
  ProblemType,
  ProblemTypeList,
  Registration,
  TokenResponse,
  User,
  UserPage
]
