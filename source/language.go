package source

import (
	"slices"
	"strings"

	"productindex/source/internal/rawjson"
)

// text is a text of a product in one language.
type text struct {
	language string // see usualSpelling
	value    []byte
}

// textIn returns the text in a language, or nil if there is none.
func textIn(texts []text, language string) []byte {
	for _, t := range texts {
		if sameLanguage(t.language, language) {
			return t.value
		}
	}
	return nil
}

// textsOf returns the texts of a language map: the first one of each language that is not null. It reports whether the
// value is such a map.
func textsOf(value []byte) (texts []text, isMap bool) {
	add := func(language string, value []byte) {
		if string(value) != "null" && textIn(texts, language) == nil {
			texts = append(texts, text{usualSpelling(language), value})
		}
	}
	switch value[0] {
	case '{':
		for quoted, value := range rawjson.Members(value) {
			add(rawjson.Text(quoted), value)
		}
		return texts, true
	case '[':
		n := 0
		for element := range rawjson.Elements(value) {
			language, value := entryOf(element)
			if value == nil {
				return nil, false
			}
			add(language, value)
			n++
		}
		return texts, n > 0
	}
	return nil, false
}

// entryOf returns the language and the value of an element of a list of texts. The value is nil if the element is not a
// text.
func entryOf(element []byte) (language string, value []byte) {
	if element[0] != '{' {
		return "", nil
	}
	for _, name := range []string{"language", "locale", "lang"} {
		if quoted := rawjson.Get(element, name); len(quoted) > 2 && quoted[0] == '"' {
			language = rawjson.Text(quoted)
			break
		}
	}
	if language == "" {
		return "", nil
	}
	for _, name := range []string{"value", "text"} {
		if value := rawjson.Get(element, name); value != nil {
			return language, value
		}
	}
	return "", nil
}

// sameLanguage reports whether two names stand for the same language.
func sameLanguage(a, b string) bool {
	return a == b || strings.EqualFold(strings.ReplaceAll(a, "_", "-"), strings.ReplaceAll(b, "_", "-"))
}

// usualSpelling returns the name of a language with the capitals and hyphens that BCP 47 recommends: en, de-AT,
// zh-Hans. It does not change other names.
func usualSpelling(language string) string {
	parts := strings.FieldsFunc(language, func(r rune) bool { return r == '-' || r == '_' })
	if len(parts) == 0 || len(parts[0]) > 3 || !slices.ContainsFunc([]byte(language), isUpper) && len(parts) == 1 {
		return language
	}
	out := []byte(strings.ReplaceAll(language, "_", "-"))
	at := 0
	for i, part := range parts {
		at += strings.Index(language[at:], part)
		spelled := strings.ToLower(part)
		switch {
		case i > 0 && len(part) == 2:
			spelled = strings.ToUpper(part)
		case i > 0 && len(part) == 4:
			spelled = strings.ToUpper(part[:1]) + strings.ToLower(part[1:])
		}
		if len(spelled) == len(part) { // upper case can be longer in some scripts
			copy(out[at:], spelled)
		}
		at += len(part)
	}
	return string(out)
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
