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

// Different spellings of a text have the same words.
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
				t.Errorf("the words of %q are %q, want %q as for %q", other, got, want, same[0])
			}
		}
	}
	for _, different := range [][2]string{
		{"tube", "tub"}, {"plane", "plan"}, {"IPS", "IP"}, {"RTX4090", "RTX4080"}, {"1½", "11/2"}, {"a < b", "b"},
		{"glass", "glas"},
	} {
		if a, b := termsOf(words, different[0]), termsOf(words, different[1]); a == b {
			t.Errorf("the words of %q and of %q are both %q, want different ones", different[0], different[1], a)
		}
	}
	for text, want := range map[string]string{
		"The Who": "the who", "L'Oréal": "loreal oreal", "手机壳": "手机 机壳", "มือถือ": "มือ อถื ถือ",
		"6579C22F-be2b-444c-a52b-0116dd82df6c x": "6579c22f-be2b-444c-a52b-0116dd82df6c x",
		"":                                       "", " . ": "", "<script>": "", "x<!-- y -->z": "x z",
		"3.5 1,299 12,34,567 2,5": "3.5 1,299 1299 12,34,567 2,5", "1,234,567": "1,234,567 1234567",
	} {
		if got := termsOf(words, text); got != want {
			t.Errorf("the words of %q are %q, want %q", text, got, want)
		}
	}
}

// Each language has its own stems, which do not depend on the case and encoding of a text.
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
			t.Fatalf("the language of %s-XX is %q, want %q", strings.ToUpper(tag), known, tag)
		}
		a := named(t, For(tag))
		want := termsOf(a, same[0])
		for _, other := range same[1:] {
			if got := termsOf(a, other); got != want || got == "" {
				t.Errorf("%s: the words of %q are %q, want %q as for %q", tag, other, got, want, same[0])
			}
		}
	}
	for _, tag := range []string{"", "xx", "english", "-de"} {
		if known, ok := Language(tag); ok {
			t.Errorf("the language of %q is %q, want none", tag, known)
		}
	}
	if got := termsOf(named(t, For("en")), "The Who"); !strings.Contains(got, "the") {
		t.Errorf("the words of %q are %q, want both", "The Who", got)
	}
	if n := len(Tags()); n != len(languages) {
		t.Errorf("there are %d tags, want %d", n, len(languages))
	}
	if Common("", "sofa") || !Common("", "the") {
		t.Errorf("common: sofa %v, the %v; want only the", Common("", "sofa"), Common("", "the"))
	}
}

// Each word of each analyzer has a place in its text. A folded text does not change when it is folded again.
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
					continue // bleve's filters for languages replace invalid bytes
				}
				if token.Start < 0 || token.Start > token.End || token.End > len(text) {
					t.Fatalf("%s: %q is at %d to %d of %q", name, token.Term, token.Start, token.End, text)
				}
				if utf8.ValidString(text) && !utf8.Valid(token.Term) {
					t.Fatalf("%s: the word %q of %q is not valid UTF-8", name, token.Term, text)
				}
				if name == Words && token.Position < last {
					t.Fatalf("%q is at position %d after %d", token.Term, token.Position, last)
				}
				last = token.Position
			}
		}
		if once := Fold(text); utf8.ValidString(text) && !strings.ContainsAny(once, "&") && Fold(once) != once {
			t.Fatalf("%q is folded to %q, and that to %q", text, once, Fold(once))
		}
	})
}

// A text of very long words takes about as long as one of ordinary words, since a product can hold any text. If the
// time grew with the square of the length of a word, these texts would take half a minute. They take milliseconds.
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
		t.Errorf("the words around a very long one are %.50q…, want both stemmed", got)
	}
}
