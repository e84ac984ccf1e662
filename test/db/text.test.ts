import t from 'tap'
import { foldText, isUuid, slugify, usernameKey } from '../../db/text.ts'

t.test('folding takes away case, diacritics and extra white space', async (t) => {
  t.equal(foldText('  Gabriel  GARCÍA\tMárquez '), 'gabriel garcia marquez')
  t.equal(foldText('Straße'), foldText('STRASSE'))
  t.equal(foldText('ΟΔΥΣΣΕΥΣ'), foldText('οδυσσευς'))
  t.equal(foldText('村上春樹'), '村上春樹')
  for (const [one, other] of [
    ['माला', 'मेला'],
    ['かき', 'かぎ'],
    ['мой', 'мои']
  ] as const)
    t.not(foldText(one), foldText(other))
  t.equal(foldText('e\u0301'), foldText('\u00e9'))
})

t.test('usernames are compared in NFKC without case, but with their diacritics', async (t) => {
  t.equal(usernameKey('Ａlice'), usernameKey('alice'))
  t.equal(usernameKey('ﬁnn'), usernameKey('FINN'))
  t.equal(usernameKey('Ａ'.repeat(1001)), 'Ａ'.repeat(1001), 'what is none stays as it is')
  t.not(usernameKey('josé'), usernameKey('jose'))
})

t.test('slugs can be typed, and never look like ids', async (t) => {
  t.equal(slugify('Salman Rushdie'), 'salman-rushdie')
  t.equal(slugify('J. M. Coetzee'), 'j-m-coetzee')
  t.equal(slugify('Ngũgĩ wa Thiong’o'), 'ngugi-wa-thiongo')
  t.equal(slugify('Лев Толстой'), 'лев-толстой')
  t.equal(slugify('한강'), '한강'.normalize('NFC'))
  t.equal(slugify('सलमान रुश्दी'), 'सलमान-रुश्दी')
  t.equal(slugify('Οδυσσέας Ελύτης'), 'οδυσσεας-ελυτης')
  t.equal(slugify('村上 春樹'), '村上-春樹')
  t.equal(slugify('!!!'), 'author')
  t.equal(slugify('👻'), 'author')
  t.equal(slugify('x'.repeat(200)).length, 80)
  const uuid = '019ab3f6-1d2e-7c44-9b1a-5e6f7a8b9c0d'
  t.equal(slugify(uuid), `author-${uuid}`)
  t.ok(isUuid(uuid))
  t.notOk(isUuid(slugify(uuid)))
})
