import { Type } from '@sinclair/typebox'
import { Nullable } from './text.ts'

/** Each scheme's identifier of a person, in the form in which it is kept and answered; authors share one only under the same name. */
export const Identifiers = {
  viaf: Type.String({
    maxLength: 22,
    pattern: '^[1-9][0-9]{0,21}$',
    description: 'VIAF: digits.',
    examples: ['108299403']
  }),
  isni: Type.String({
    maxLength: 16,
    pattern: '^[0-9]{15}[0-9X]$',
    description: 'ISNI: 16 characters without spaces, the last a check character (ISO 27729).',
    examples: ['000000012146438X']
  }),
  wikidata: Type.String({
    maxLength: 20,
    pattern: '^Q[1-9][0-9]*$',
    description: 'Wikidata: Q and digits.',
    examples: ['Q44306']
  }),
  openlibrary: Type.String({
    maxLength: 20,
    pattern: '^OL[1-9][0-9]*A$',
    description: 'Open Library: OL, digits, A.',
    examples: ['OL20187A']
  })
}

const LONGEST_FORM = 200

/** The same in any form that people have; the format reads it, and puts the kept form in its place (see plugins/validation.ts). */
export const IdentifierForms = {
  viaf: Type.String({
    maxLength: LONGEST_FORM,
    format: 'viaf',
    description: 'VIAF: digits, or its address at viaf.org; the digits are kept.',
    examples: ['108299403']
  }),
  isni: Type.String({
    maxLength: LONGEST_FORM,
    format: 'isni',
    description:
      'ISNI: 15 digits and a check character (ISO 27729), also with spaces or hyphens, or its address at isni.org; the 16 characters are kept.',
    examples: ['000000012146438X']
  }),
  wikidata: Type.String({
    maxLength: LONGEST_FORM,
    format: 'wikidata',
    description: 'Wikidata: Q and digits, or its address at wikidata.org; the Q and the digits are kept.',
    examples: ['Q44306']
  }),
  openlibrary: Type.String({
    maxLength: LONGEST_FORM,
    format: 'openlibrary',
    description: 'Open Library: OL, digits, A, or its address at openlibrary.org; OL, digits, A are kept.',
    examples: ['OL20187A']
  })
}

export const WritableIdentifiers = Type.Object(
  {
    viaf: Type.Optional(Nullable(IdentifierForms.viaf)),
    isni: Type.Optional(Nullable(IdentifierForms.isni)),
    wikidata: Type.Optional(Nullable(IdentifierForms.wikidata)),
    openlibrary: Type.Optional(Nullable(IdentifierForms.openlibrary))
  },
  {
    title: 'WritableIdentifiers',
    additionalProperties: false,
    description: 'The author in other catalogues; null where unknown.'
  }
)
