package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

const (
	// multilingualProducts is the number of products that the generated catalogue has by default.
	multilingualProducts = 40_000
	// vocabulary is the number of words that a language has. Their frequencies differ as in real texts (Zipf's law).
	vocabulary = 8_000
	nameWords  = 3
	textWords  = 6
)

// languages has the syllables of each language. Words made of them look like words of the language, but mean nothing.
var languages = map[string]string{
	"ar": "كتا مدر سيا بيت نور شمس قلم ريح حدي ورد سمك خبز زيت ملح",
	"cs": "kou po sta pře vý čer vo sní dře ží lo mra ško hrá",
	"de": "schu leder ver ge stein wald keit ung stoff rau hö pfl ände ber",
	"el": "κα λο πα νε ρι σο μα τε φω θα λη ξι δρο ους",
	"en": "leath er wood er shoe ing ment over er light wa ter proof sol",
	"es": "cue ro ma de ción za pa to li ge ra agua ción nue",
	"fr": "cui r boi s chau ssure ment lé gère eau im per neu ve ille",
	"it": "pel le gno scar pa leg ge ra acqua zio ne nuo va mente",
	"ja": "革 靴 木 軽 防水 新 製 品 色 布 カ バ ー ッグ",
	"nl": "leer hou t schoen licht wa ter dicht nieu w heid ing ver ge baar",
	"pl": "skó ra dre wno bu ty lek kie wo da szcz ność no wy prze ście",
	"pt": "cou ro ma dei ra sa pa to le ve água ção no va mente",
	"ru": "ко жа де ре во бо ти нок лёг кий вод ность но вый ста",
	"sv": "lä der trä sko lätt vat ten tät ny het ning för bar ska ung",
}

// text makes texts of one language.
type text struct {
	words []string
	next  *rand.Zipf
}

func newText(rnd *rand.Rand, syllables string) text {
	parts := strings.Fields(syllables)
	words, known := make([]string, 0, vocabulary), map[string]bool{}
	for len(words) < vocabulary {
		var word strings.Builder
		for range 2 + rnd.IntN(3) {
			word.WriteString(parts[rnd.IntN(len(parts))])
		}
		if !known[word.String()] {
			known[word.String()] = true
			words = append(words, word.String())
		}
	}
	return text{words: words, next: rand.NewZipf(rnd, 1.1, 4, vocabulary-1)}
}

// make returns a text of n words.
func (t text) make(words int) string {
	picked := make([]string, words)
	for i := range picked {
		picked[i] = t.words[t.next.Uint64()]
	}
	return strings.Join(picked, " ")
}

// multilingual is a product with names and descriptions in 14 languages, about 2 KB of JSON.
type multilingual struct {
	ID          string            `json:"id"`
	SKU         string            `json:"sku"`
	Brand       string            `json:"brand"`
	Category    string            `json:"category"`
	Price       float64           `json:"price"`
	Stock       int               `json:"stock"`
	Active      bool              `json:"active"`
	Name        map[string]string `json:"name"`
	Description map[string]string `json:"description"`
}

// generate writes n products, which are the same at each call. A smaller n yields the first products of a larger one.
func generate(n int, write func([]byte) error) error {
	rnd := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same numbers each time
	texts, tags := map[string]text{}, sortedKeys(languages)
	for _, tag := range tags {
		texts[tag] = newText(rnd, languages[tag])
	}
	for i := range n {
		p := multilingual{
			ID:       fmt.Sprintf("product-%07d", i),
			SKU:      fmt.Sprintf("%04X-%06d", rnd.IntN(1<<16), i),
			Brand:    fmt.Sprintf("Brand %d", rnd.IntN(400)),
			Category: fmt.Sprintf("category-%d", rnd.IntN(60)),
			Price:    float64(rnd.IntN(100_000)) / 100,
			Stock:    rnd.IntN(500),
			Active:   rnd.IntN(10) > 0,
			Name:     map[string]string{}, Description: map[string]string{},
		}
		for _, tag := range tags {
			p.Name[tag], p.Description[tag] = texts[tag].make(nameWords), texts[tag].make(textWords)
		}
		body, err := json.Marshal(p)
		if err != nil {
			return err
		}
		if err := write(body); err != nil {
			return err
		}
	}
	return nil
}
