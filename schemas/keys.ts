import { type Static, Type } from '@sinclair/typebox'

const OneValue = <const Value extends string>(value: Value, description: string) =>
  Type.Unsafe<Value>({ type: 'string', enum: [value], description })

const PublicKey = Type.Object(
  {
    kty: OneValue('OKP', 'The type of key (RFC 8037).'),
    crv: OneValue('Ed25519', 'Its curve.'),
    kid: Type.String({
      minLength: 43,
      maxLength: 43,
      description: 'The key’s thumbprint (RFC 7638), which stands in the header of the tokens that it signed.'
    }),
    use: OneValue('sig', 'It signs.'),
    alg: OneValue('EdDSA', 'The algorithm, the only one that tokens have.'),
    x: Type.String({ minLength: 43, maxLength: 43, description: 'The public key, in base64url.' })
  },
  { title: 'PublicKey', additionalProperties: false }
)
export type PublicKey = Static<typeof PublicKey>

/** A JWK set (RFC 7517) of public keys alone. */
export const JsonWebKeySet = Type.Object(
  { keys: Type.Array(PublicKey, { maxItems: 1000 }) },
  {
    $id: 'JsonWebKeySet',
    description:
      'The public keys with which access tokens can be verified: the one that signs now, those that will sign soon, ' +
      'and those that did until lately.',
    examples: [
      {
        keys: [
          {
            kty: 'OKP',
            crv: 'Ed25519',
            kid: 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k',
            use: 'sig',
            alg: 'EdDSA',
            x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo'
          }
        ]
      }
    ]
  }
)
export type JsonWebKeySet = Static<typeof JsonWebKeySet>
