import { CompiledQuery, type Kysely } from 'kysely'

/**
 * Texts are folded by another rule, so what is there is folded once more: what authors are told apart and sorted by, and their words.
 * All of it is one transaction. Both rules are copies, so that this stays what it is: who changes the rule of the service (`db/folding.ts`)
 * adds a migration like this one.
 *
 * Of authors that have become the same by the new rule the first keeps its place, and the others get keys that nobody else can have, so that
 * none is lost; the start tells of them.
 */
type Db = Kysely<unknown>

interface FoundSame {
  count: number
  /** The slugs of some, each with that of the author that it is the same as. */
  pairs: [string, string][]
}

type Tell = (news: { step: string; done: number; of: number; percent: number } | { same: FoundSame }) => void

/** A text as it is compared, and what its words also have as their beginning. */
type Rule = (text: string) => { key: string; endings: string[] }

interface Author {
  number: number
  id: string
  slug: string
  name: string
  book: string | null
  country: string | null
  sort_name: string | null
  booker_prize: number
  name_key: string
  book_key: string
  sort_key: string | null
}

type Keys = Pick<Author, 'name_key' | 'book_key' | 'sort_key'>

const ROWS_A_SLICE = 2000
const PAIRS_TOLD = 20
/** No text that is folded by the new rule has it. */
const KEY_SUFFIX = '\ue004'
/** The pages of indexes in random order should stay in memory meanwhile. */
const CACHE_KIB = 256 * 1024

export async function up(db: Db, tell: Tell = () => {}): Promise<void> {
  await new Refolding(db, byOldRule, byNewRule).run(tell)
}

/** With the old rule again. Those that are the same by it too keep their keys. */
export async function down(db: Db, tell: Tell = () => {}): Promise<void> {
  await new Refolding(db, byNewRule, byOldRule).run(tell)
}

class Refolding {
  readonly #db: Db
  readonly #before: Rule
  readonly #after: Rule
  readonly #same: FoundSame = { count: 0, pairs: [] }
  /** Who had to make room for an earlier author, and whose turn is still to come. */
  readonly #moved = new Set<number>()
  #hasNewWords = false

  constructor(db: Db, before: Rule, after: Rule) {
    this.#db = db
    this.#before = before
    this.#after = after
  }

  async run(tell: Tell): Promise<void> {
    const [cache] = await this.#query<{ cache_size: number }>('pragma cache_size')
    await this.#query(`pragma cache_size = -${CACHE_KIB}`)
    await this.#refoldAll(tell)
    if (this.#hasNewWords) await this.#query("insert into author_words (author_words) values ('optimize')")
    await this.#query(`pragma cache_size = ${cache?.cache_size}`)
    if (this.#same.count > 0) tell({ same: this.#same })
  }

  async #refoldAll(tell: Tell): Promise<void> {
    const [{ last } = { last: null }] = await this.#query<{ last: number | null }>(
      'select max(number) as last from authors'
    )
    for (let after = 0; after < (last ?? 0); ) {
      const slice = await this.#sliceAfter(after)
      for (const author of slice) await this.#refold(await this.#asItIsNow(author))
      after = slice.at(-1)?.number as number
      tell({ step: 'authors', done: after, of: last as number, percent: (100 * after) / (last as number) })
    }
  }

  async #asItIsNow(author: Author): Promise<Author> {
    if (!this.#moved.delete(author.number)) return author
    const [{ book_key } = author] = await this.#query<Author>(
      'select book_key from authors where number = ?',
      author.number
    )
    return { ...author, book_key }
  }

  #sliceAfter(number: number): Promise<Author[]> {
    return this.#query<Author>(
      `select number, id, slug, name, book, country, sort_name, booker_prize, name_key, book_key, sort_key
      from authors where number > ? order by number limit ${ROWS_A_SLICE}`,
      number
    )
  }

  /** Writes only what is another than before. */
  async #refold(author: Author): Promise<void> {
    const keys = await this.#freeKeysFor(author)
    if (
      keys.name_key !== author.name_key ||
      keys.book_key !== author.book_key ||
      keys.sort_key !== author.sort_key
    )
      await this.#setKeys(author, keys)
    const terms = termsOf(author, this.#after)
    if (terms === termsOf(author, this.#before)) return
    this.#hasNewWords = true
    await this.#query(
      'update author_words set words = ? where rowid = cast(? as integer)',
      terms,
      author.number
    )
  }

  async #freeKeysFor(author: Author): Promise<Keys> {
    const { name, book, sort_name } = author
    const keys: Keys = {
      name_key: this.#after(name).key,
      book_key: this.#after(book ?? '').key,
      sort_key: sort_name === null ? null : this.#after(sort_name).key
    }
    if (keys.name_key === author.name_key && keys.book_key === author.book_key) return keys
    const holder = await this.#holderOf(keys, author)
    if (holder === undefined) return keys
    if (holder.number < author.number) {
      this.#noteSame(holder, author)
      return this.#ownKeys(keys, author)
    }
    // Its turn comes, and will show whether it is the same.
    await this.#setKeys(holder, await this.#ownKeys(holder, holder))
    this.#moved.add(holder.number)
    return keys
  }

  /** Keys that are like these, and that no other author has. */
  async #ownKeys(keys: Keys, author: Author): Promise<Keys> {
    const own = { ...keys, book_key: `${keys.book_key}${KEY_SUFFIX}${author.id}` }
    return (await this.#holderOf(own, author)) === undefined ? own : this.#ownKeys(own, author)
  }

  /** The other author that has these keys. */
  async #holderOf({ name_key, book_key }: Keys, author: Author): Promise<Author | undefined> {
    const [holder] = await this.#query<Author>(
      'select * from authors where name_key = ? and book_key = ? and number <> ?',
      name_key,
      book_key,
      author.number
    )
    return holder
  }

  #setKeys({ number }: Author, { name_key, book_key, sort_key }: Keys) {
    const set = 'update authors set name_key = ?, book_key = ?, sort_key = ? where number = ?'
    return this.#query(set, name_key, book_key, sort_key, number)
  }

  #noteSame(first: Author, later: Author): void {
    this.#same.count += 1
    if (this.#same.pairs.length < PAIRS_TOLD) this.#same.pairs.push([first.slug, later.slug])
  }

  async #query<Row>(statement: string, ...parameters: unknown[]): Promise<Row[]> {
    return (await this.#db.executeQuery<Row>(CompiledQuery.raw(statement, parameters))).rows
  }
}

/** What the word index has of an author: words, and terms for the filters by country and prize. */
function termsOf({ name, book, country, sort_name, booker_prize }: Author, rule: Rule): string {
  const folded = [name, book ?? '', country ?? '', sort_name ?? ''].map(rule)
  const words = folded.flatMap(({ key }) => wordsOf(key))
  const countryTerm = rule(country ?? '').key.replace(
    /[^\p{L}\p{M}\p{N}]/gu,
    (character) => `\uE001${character.codePointAt(0)?.toString(16)}\uE002`
  )
  return [
    ...new Set([...words, ...folded.flatMap(({ endings }) => endings)]),
    ...(country === null ? [] : [`\uE000${countryTerm}`]),
    ...(booker_prize === 1 ? ['\uE003'] : [])
  ].join(' ')
}

function wordsOf(folded: string): string[] {
  return folded.replaceAll('ς', 'σ').match(/[\p{L}\p{M}\p{N}]+/gu) ?? []
}

const ASCII = /^[ -~]*$/
const foldCase = (text: string) => text.toUpperCase().toLowerCase()

function byOldRule(text: string): { key: string; endings: string[] } {
  const key = ASCII.test(text)
    ? text.toLowerCase().replace(/ +/g, ' ').trim()
    : foldCase(text.normalize('NFKD').replace(/([\p{Script=Latin}\p{Script=Greek}])\p{M}+/gu, '$1'))
        .normalize('NFC')
        .replace(/\s+/gu, ' ')
        .trim()
  return { key, endings: [] }
}

// The new rule; its parts are explained in db/folding.ts.
const PLAIN = /^[!-&(-,./0-_a-~]+(?:[ -][!-&(-,./0-_a-~]+)*$/
/** What a plain keyboard types for Latin letters, each before these letters. */
const LETTERS = [
  "':ƸƹɁɂʔʕʡʢᴤᴥꜢꜣꜤꜥꝮꝯꞋꞌ 2:Ƨƨ 3:Ꜫꜫ 4:ꜬꜭꜮꜯ 5:Ƽƽ 6:Ƅƅↅ a:ȺɅɐɑɒʌᴀᶏᶐⱥⱭⱯⱰꞺꞻꬰꭤ aa:Ꜳꜳ𐞀 ae:ÆæᴁᴂꞚꞛꬱ ao:Ꜵꜵ",
  'au:Ꜷꜷ av:ꜸꜹꜺꜻ ay:Ꜽꜽ b:ƀƁƂƃɃɓʙᴃᴯᵬᶀꞖꞗꞴꞵ c:ƇƈǀȻȼɕᴄↃↄꜾꜿꞒꞓꞔꟄ𝼝 d:ÐðĐđƉƊƋƌȡɖɗᴅᴆᵭᶁᶑẟꝱꝹꝺꟇꟈ𝼥 db:ȸ dz:ƻʣʥꭦ',
  'dzh:ʤ𝼒𝼙 e:ƎƏƐǝɆɇɘəɛɜᴇᴈᶒᶓᶔᶕⱸⱻꞫꬲꬳꬴ er:ɚɝ f:ƑƒɸᵮᶂℲⅎꜰꝻꝼꞘꞙꟻꬵ fng:ʩ𝼀 g:ƓƔǤǥɠɡɢɣʛᵷᵹᶃꝽꞠꞡꞬꟐꟑꬶ𝼁𝼂 gh:Ƣƣ',
  'h:ĦħɦɧʜⱧⱨⱵⱶꜦꜧꞕꞪꟵꟶ hw:ƕǶ i:ıƖƗɨɩɪɿʅᴉᵎᵻᵼᶖꞮꞼꞽꟷꟾ𝼚 ia:ꭠ ie:ꭡ j:ȷɈɉɟʄʝᴊꞲ k:ƘƙʞᴋᶄⱩⱪꝀꝁꝂꝃꝄꝅꞢꞣꞰ𝼃𝼐',
  "l:ŁłƚƛȴȽɫɬɭʟᴌᶅↆⱠⱡⱢꝆꝇꝈꝉꝲꞎꞭꟚꟛꟜꬷꬸꬹ𝼄𝼑𝼓𝼦 ll:ỺỻꞀꞁ ls:ʪ lz:ʫ lzh:ɮ𝼅 m:ɱᴍᵯᶆⱮꝳꟽꬺ m':ꟿ",
  'n:ƝƞȠȵɲɳɴᴎᴻᵰᶇꝴꞐꞑꞤꞥꬻ𝼧 ng:ŊŋꝾꝿꬼ𝼇𝼔 o:ØøƆƟɔɞɵᴏᴐᴑᴒᴓᴖᴗᶗⱷⱺꝊꝋꝌꝍꞶꞷꟀꟁꬽꬾꬿ𝼛 oe:ŒœɶʚᴔꞜꞝꭀꭁꭂꭢ oo:Ꝏꝏꭃꭄ ou:Ȣȣᴕ',
  'p:ƤƥᴘᵱᵽᶈⱣꝐꝑꝒꝓꝔꝕꟼ pc:ʘ q:ĸǃɊɋʗʠꝖꝗꝘꝙꞯ𝼊𝼏 qc:ǂ𝼋𝼌 qp:ȹ r:ƦɌɍɹɺɻɼɽɾʀʁᴙᴚᵲᵳᶉⱤⱹꝚꝛꝜꝝꝵꝶꞂꞃꞦꞧꭅꭆꭇꭉꭋꭌꭨ𝼈𝼕𝼖𝼨',
  'rr:ꭈꭊ s:ȿʂᵴᶊẜẝⱾꜱꝬꝭꝸꞄꞅꞨꞩꟅꟉꟊꟌꟍꟖꟗꟘꟙ𝼞𝼩 sh:Ʃƪʃʆᶋᶘꭍ ss:ßẞ t:ŦŧƫƬƭƮȶȾʇʈᴛᵵⱦꝷꞆꞇꞱ𝼉𝼍𝼪 tc:ʨ th:ÞþᵺꝤꝥꝦꝧ',
  'thth:꟒ꟓ ts:ƾʦꭧ tsh:ʧ𝼗𝼜 tz:Ꜩꜩ u:ƱɄɤɷʉʊᴜᴝᴞᵾᵿᶙꞸꞹꞾꞿꟋꭎꭏꭒ ue:ᵫꞞꞟ ui:ꭐꭑ uo:ꭣ v:ƲʋᴠᶌỼỽⱱⱴꝞꝟꝨꝩ vy:Ꝡꝡ',
  'w:ƜƿǷɯɰʍᴟᴡⱲⱳꟂꟃꟺ ww:ʬ꟔ꟕ x:ǁʖᶍꞳꭓꭔꭕꭖꭗꭘꭙ𝼎 y:ƳƴȜȝɎɏɥʎʏʮʯỾỿꞍꭚ𝼆 z:ƍƵƶȤȥɀʐʑᴢᵶᶎⱫⱬⱿꝢꝣꟆ zh:Ʒƺʒʓᴣᶚ𝼘'
]
const IGNORED = '\\p{DI}\\u0640\\u07fa\\u180a\\u055b\\u055c\\u055e\\u055f\\ue004'
const APOSTROPHE =
  "'`\\u02b9-\\u02c1\\u02c8\\u02ca-\\u02cc\\u02ce\\u02cf\\u02d2\\u02d3\\u02ee\\u02f4-\\u02f6\\u0559\\u055a\\u05f3\\u05f4" +
  '\\u07f4\\u07f5\\u2018-\\u201b\\u2032\\u2035\\u275b\\u275c\\u2e2f\\ua67f'
const DASH = '\\p{Dash}\\u02d7\\u2043\\u2796'
const DOUBLE_QUOTE = '"\\u00ab\\u00bb\\u201c-\\u201f\\u275d\\u275e\\u2e42\\u301d-\\u301f'
const LONE_ACCENT = '\\u0300\\u0301\\u0313\\u0314'
const LONE_MARK = '\\u0303-\\u0308\\u030a\\u030b\\u0327\\u0328\\u0333\\u0342\\u0345\\u064b-\\u0652\\u0670'
const IOTA_BELOW = '\u0345'
const CYRILLIC_LETTER = '\\u0400-\\u0481\\u048a-\\u052f\\u1c80-\\u1c8f\\ua640-\\ua66e\\ua680-\\ua69d'
const STRESS = '\\u0300\\u030f\\u0311\\u0483-\\u0487'
const TYPED = new Map(
  LETTERS.flatMap((part) => part.split(' ')).flatMap((part) => {
    const [typed, letters] = part.split(':') as [string, string]
    return [...letters].map((letter) => [letter, typed] as const)
  })
)
const LATIN_LETTER = [...TYPED.keys()].join('')

const anyOf = (kind: string, then = '') => new RegExp(`[${kind}]${then}`, 'gu')
const ANY_IGNORED = anyOf(IGNORED)
const ANY_APOSTROPHE = anyOf(APOSTROPHE, '\\p{M}*')
const ANY_DASH = anyOf(DASH)
const ANY_DOUBLE_QUOTE = anyOf(DOUBLE_QUOTE)
const ANY_LONE_ACCENT = new RegExp(`\\s[${LONE_ACCENT}]\\p{M}*`, 'gu')
const ANY_LONE_MARK = new RegExp(`\\s[${LONE_MARK}]\\p{M}*`, 'gu')
const ANY_LATIN_LETTER = anyOf(LATIN_LETTER)
const ANY_STRESS = anyOf(STRESS)
const ANY_STRESS_OR_ACUTE = anyOf(`${STRESS}\\u0301`)
const HEBREW_QUOTE = /(?<=[\u05d0-\u05f2'])"(?=[\u05d0-\u05f2'])/gu
const JOINING_DOT = /(?<=[l'])\u00b7(?=[l'])/giu
const MARKED_CYRILLIC = new RegExp(`([${CYRILLIC_LETTER}])(\\p{M}+)`, 'gu')
const RARE = new RegExp(
  `[${IGNORED}${APOSTROPHE}${DASH}${DOUBLE_QUOTE}${LATIN_LETTER}${IOTA_BELOW}\\u00b7]|\\s[${LONE_ACCENT}${LONE_MARK}]|` +
    `[${CYRILLIC_LETTER}]\\p{M}*[${STRESS}\\u0301\\u0308]`,
  'u'
)
const MARKED_LETTER =
  /([\p{Script=Latin}\p{Script=Greek}\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}])\p{M}+/gu

function foldLetters(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase()
  const apart = text.normalize('NFKD')
  const bare = RARE.test(apart) ? foldRare(apart) : apart.replace(MARKED_LETTER, '$1')
  return ASCII.test(bare) ? bare.toLowerCase() : foldCase(bare)
}

function foldRare(apart: string): string {
  return apart
    .replace(ANY_IGNORED, '')
    .normalize('NFKD')
    .replace(ANY_LONE_ACCENT, "'")
    .replace(ANY_LONE_MARK, '')
    .replaceAll(IOTA_BELOW, '')
    .replace(ANY_APOSTROPHE, "'")
    .replace(ANY_DASH, '-')
    .replace(ANY_DOUBLE_QUOTE, '"')
    .replace(MARKED_LETTER, '$1')
    .replace(MARKED_CYRILLIC, (_, letter, marks) => letter + withoutStress(letter, marks))
    .replace(ANY_LATIN_LETTER, (letter) => TYPED.get(letter) as string)
    .replace(HEBREW_QUOTE, "'")
    .replace(JOINING_DOT, '')
}

function withoutStress(letter: string, marks: string): string {
  if ('ГгКк'.includes(letter)) return marks.replace(ANY_STRESS, '')
  const others = marks.replace(ANY_STRESS_OR_ACUTE, '')
  return 'Ее'.includes(letter) ? others.replaceAll('\u0308', '') : others
}

const APOSTROPHES = /['`]+/g
const SPACES = /\s{2,}|[^\S ]/gu
const DASHES = /-{2,}/g

function withoutApostrophes(letters: string): string {
  if (PLAIN.test(letters)) return letters
  const joined = letters.replace(APOSTROPHES, '').normalize('NFC')
  return joined.replace(SPACES, ' ').replace(DASHES, '-').trim()
}

const WORD_WITH_APOSTROPHES = /[\p{L}\p{M}\p{N}'`]+/gu
const MOST_ENDINGS = 8

function byNewRule(text: string): { key: string; endings: string[] } {
  const letters = foldLetters(text)
  return { key: withoutApostrophes(letters), endings: endingsOf(letters) }
}

function endingsOf(letters: string): string[] {
  if (!/['`]/.test(letters)) return []
  const words = letters.match(WORD_WITH_APOSTROPHES) ?? []
  return words.flatMap((word) => {
    const parts = word.split(APOSTROPHES).filter((part) => part !== '')
    return parts
      .slice(1, 1 + MOST_ENDINGS)
      .flatMap((_, index) => wordsOf(withoutApostrophes(parts.slice(index + 1).join(''))))
  })
}
