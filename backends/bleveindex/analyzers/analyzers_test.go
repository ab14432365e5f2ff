package analyzers

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/registry"
)

func named(tb testing.TB, name string) analysis.Analyzer {
	tb.Helper()
	a, err := registry.NewCache().AnalyzerNamed(name)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func termsOf(a analysis.Analyzer, text string) string {
	var terms []string
	for _, token := range a.Analyze([]byte(text)) {
		terms = append(terms, string(token.Term))
	}
	return strings.Join(terms, " ")
}

// Spellings of one text have the same words.
func TestSameWords(t *testing.T) {
	words := named(t, Words)
	for _, same := range [][]string{
		{"shoe", "shoes", "SHOES", "ＳＨＯＥＳ"}, {"box", "boxes"}, {"knife", "knives"}, {"cookie", "cookies"},
		{"dress", "dresses"}, {"lens", "lenses"},
		{"men's", "mens", "men’s", "men`s", "men´s", "Men"}, {"house", "houses"}, {"battery", "batteries"},
		{"sofa", "sofas"}, {"bikini", "bikinis"},
		{"watch", "watches"}, {"potato", "potatoes"}, {"TV", "TVs"}, {"glove", "gloves"}, {"bijou", "bijoux"},
		{"café", "cafe\u0301", "CAFÉ", "cafe", "caf&eacute;", "<b>café</b>"}, {"Straße", "STRASSE", "strasse"},
		{"Größe", "grosse"}, {"Łódź", "lodz"},
		{"ØRSTED", "orsted"}, {"İstanbul", "istanbul", "ISTANBUL"}, {"Çiğdem", "cigdem"}, {"țară", "ţară", "tara"},
		{"ΟΔΟΣ", "οδός", "οδος"},
		{"ёлка", "елка"}, {"m²", "m2"}, {"ﬁt", "fit"}, {"R&amp;D", "R&D"}, {"AT&T", "at t"}, {"١٢٣", "123"}, {"ｶﾞｷﾞ", "ガギ"},
		{"Core™ i7", "core i7"},
		{"micro_atx", "Micro ATX"}, {"телефон", "телефоны"}, {"чашка", "чашки"},
	} {
		want := termsOf(words, same[0])
		for _, other := range same[1:] {
			if got := termsOf(words, other); got != want {
				t.Errorf("%q is %q, and %q is %q", same[0], want, other, got)
			}
		}
	}
	for _, different := range [][2]string{
		{"tube", "tub"}, {"plane", "plan"}, {"IPS", "IP"}, {"RTX4090", "RTX4080"}, {"1½", "11/2"}, {"a < b", "b"},
		{"glass", "glas"},
	} {
		if a, b := termsOf(words, different[0]), termsOf(words, different[1]); a == b {
			t.Errorf("%q and %q are both %q", different[0], different[1], a)
		}
	}
	for text, want := range map[string]string{
		"The Who": "the who", "L'Oréal": "loreal oreal", "手机壳": "手机 机壳", "มือถือ": "มือ อถื ถือ",
		"6579C22F-be2b-444c-a52b-0116dd82df6c x": "6579c22f-be2b-444c-a52b-0116dd82df6c x",
		"":                                       "", " . ": "", "<script>": "", "x<!-- y -->z": "x z",
		"3.5 1,299 12,34,567 2,5": "3.5 1,299 1299 12,34,567 2,5", "1,234,567": "1,234,567 1234567",
	} {
		if got := termsOf(words, text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// Languages stem in their own way, whatever the case and encoding.
func TestLanguages(t *testing.T) {
	for tag, same := range map[string][]string{
		"de": {"Häuser", "Haus", "HÄUSER"}, "tr": {"kitaplar", "KİTAPLAR", "kitap"}, "ro": {"cărți", "cărţi", "CĂRȚI"},
		"el": {"παπούτσια", "ΠΑΠΟΥΤΣΙΑ", "παπούτσι"},
		"cs": {"kočky", "KOČKA", "kočkami"}, "uk": {"телефони", "телефон", "ТЕЛЕФОНАМИ"}, "th": {"มือถือ", "มือถือ"},
		"fr": {"chaussures", "chaussure"},
		"en": {"running shoes", "run shoe"}, "ru": {"телефонами", "телефон"}, "es": {"relojes", "reloj"},
	} {
		known, ok := Language(strings.ToUpper(tag) + "-XX")
		if !ok || known != tag {
			t.Fatalf("the language of %s-XX is %q", tag, known)
		}
		a := named(t, For(tag))
		want := termsOf(a, same[0])
		for _, other := range same[1:] {
			if got := termsOf(a, other); got != want || got == "" {
				t.Errorf("%s: %q is %q, and %q is %q", tag, same[0], want, other, got)
			}
		}
	}
	for _, tag := range []string{"", "xx", "english", "-de"} {
		if known, ok := Language(tag); ok {
			t.Errorf("%q is language %q", tag, known)
		}
	}
	if got := termsOf(named(t, For("en")), "The Who"); !strings.Contains(got, "the") {
		t.Errorf("words are left out: %q", got)
	}
	if len(Tags()) != len(languages) || Common("", "the") == Common("", "sofa") {
		t.Error("tags or common words")
	}
}

// Words are where they say they are, in every analyzer, and folding twice is folding once.
func FuzzAnalyzers(f *testing.F) {
	for _, text := range []string{
		"<b>caf&eacute;s</b> &amp; ＲＴＸ", "手机壳มือถือ ½ m²", "6579c22f-be2b-444c-a52b-0116dd82df6c", "L'Oréal's\x00\xff",
		"İ ŉ ǰ ß", "&#0;&lt;", "ｶﾞ<", "㌌", "x ㌌ &amp; 手机壳", "\xff㌌", "0 \u05a4",
	} {
		f.Add(text)
	}
	all := map[string]analysis.Analyzer{Words: named(f, Words), Keyword: named(f, Keyword), Synonyms: named(f, Synonyms)}
	for _, tag := range Tags() {
		all[tag] = named(f, For(tag))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, a := range all {
			last := 0
			for _, token := range a.Analyze([]byte(text)) {
				if name != Words && !utf8.ValidString(text) {
					continue // bleve's filters for languages take that for something else
				}
				if token.Start < 0 || token.Start > token.End || token.End > len(text) {
					t.Fatalf("%s: %q is at %d to %d of %q", name, token.Term, token.Start, token.End, text)
				}
				if utf8.ValidString(text) && !utf8.Valid(token.Term) {
					t.Fatalf("%s: %q of %q is not valid", name, token.Term, text)
				}
				if name == Words && token.Position < last {
					t.Fatalf("%q is at position %d after %d", token.Term, token.Position, last)
				}
				last = token.Position
			}
		}
		if once := Fold(text); utf8.ValidString(text) && !strings.ContainsAny(once, "&") && Fold(once) != once {
			t.Fatalf("%q is folded to %q and %q", text, once, Fold(once))
		}
	})
}

// Texts whose words are longer than any real one take no longer than others: products can hold anything. A time that
// grows with the square of a word's length takes half a minute for these, and any other takes milliseconds.
func TestLongWords(t *testing.T) {
	const size, limit = 100_000, 10 * time.Second
	names := []string{Words}
	for _, tag := range Tags() {
		names = append(names, For(tag))
	}
	for _, name := range names {
		for _, part := range []string{"a'", "1,", "\u0663"} {
			start := time.Now()
			named(t, name).Analyze([]byte(strings.Repeat(part, size/len(part))))
			if took := time.Since(start); took > limit {
				t.Errorf("%s takes %v for %d bytes of %q, more than %v", name, took, size, part, limit)
			}
		}
	}
	long := strings.Repeat("ab", maxStemmed)
	if got := termsOf(named(t, For("fr")), "chaises "+long+"s chaises"); got != "chais "+long+"s chais" {
		t.Errorf("words around a long one are %q", got)
	}
}
