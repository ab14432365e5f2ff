package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
)

// dataVariable is the variable with the folder of the real catalogues.
const dataVariable = "PRODUCTINDEX_DATA"

// catalogue is a file of products with queries for them.
type catalogue struct {
	file, queries string
	products      int
	duplicates    int   // products that were left out, since an earlier product has their id
	bytes         int64 // of the products
}

// prepare makes the named catalogue in the folder dir, or uses a file unchanged. The catalogue has the given number of
// products; 0 means all.
func prepare(name string, products int, dir string) (catalogue, error) {
	c := catalogue{file: filepath.Join(dir, fmt.Sprintf("catalogue-%d.jsonl", products))}
	var err error
	switch {
	case name == "multilingual":
		err = writeLines(
			c.file,
			func(write func([]byte) error) error { return generate(cmp.Or(products, multilingualProducts), write) },
		)
	case products == 0:
		c.file = path(name)
	default:
		err = writeLines(c.file, func(write func([]byte) error) error { return resize(path(name), products, write) })
	}
	if err != nil {
		return c, fmt.Errorf("preparing the catalogue: %w", err)
	}
	ids := map[string]bool{}
	var texts []string
	err = eachLine(c.file, func(id string, line []byte) error {
		if ids[id] {
			c.duplicates++
			return nil
		}
		ids[id] = true
		c.products++
		c.bytes += int64(len(line)) + 1
		texts = append(texts, queryOf(line, len(texts)))
		return nil
	})
	if err != nil {
		return c, err
	}
	if c.products == 0 {
		return c, fmt.Errorf("%s has no products", c.file)
	}
	if c.duplicates > 0 {
		all := c.file
		c.file = filepath.Join(dir, fmt.Sprintf("catalogue-%d-unique.jsonl", products))
		if err := writeLines(c.file, func(write func([]byte) error) error { return firsts(all, write) }); err != nil {
			return c, fmt.Errorf("removing duplicates from the catalogue: %w", err)
		}
	}
	shopper, err := shopperQueries(name)
	if err != nil {
		return c, err
	}
	content, err := json.Marshal(queries{Names: pickQueries(texts), Shopper: shopper})
	if err != nil {
		return c, err
	}
	c.queries = filepath.Join(dir, fmt.Sprintf("queries-%d.json", products))
	return c, os.WriteFile(c.queries, content, 0o600)
}

// firsts writes the first product of each id of a file. The benchmark leaves out the others, since the engine would
// keep the first of several products with one id, and a library the last.
func firsts(file string, write func([]byte) error) error {
	ids := map[string]bool{}
	return eachLine(file, func(id string, line []byte) error {
		if ids[id] {
			return nil
		}
		ids[id] = true
		return write(line)
	})
}

// isReal reports whether a catalogue is one of the real catalogues, which are not part of the repository.
func isReal(name string) bool { return name == "pcparts" || name == "retail" }

// path returns the file of a catalogue that is not generated.
func path(name string) string {
	if isReal(name) {
		return filepath.Join(cmp.Or(os.Getenv(dataVariable), filepath.Join("..", "shared", "data")), name+".jsonl.gz")
	}
	return name
}

// resize writes n products of a file. It repeats the whole catalogue as often as it fits, with new ids from the second
// time on. The rest is an even sample, so that no part of the catalogue has more weight than another.
func resize(file string, n int, write func([]byte) error) error {
	type product struct {
		id   string
		body []byte
	}
	var all []product
	err := eachLine(file, func(id string, line []byte) error {
		all = append(all, product{id, line})
		return nil
	})
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("%s has no products", file)
	}
	for i := range n {
		repetition, at := i/len(all), i%len(all)
		if left := n - repetition*len(all); left < len(all) {
			at = at * len(all) / left
		}
		body := all[at].body
		if repetition > 0 {
			if body, err = withID(body, all[at].id, fmt.Sprintf("%s-%d", all[at].id, repetition)); err != nil {
				return err
			}
		}
		if err := write(body); err != nil {
			return err
		}
	}
	return nil
}

// withID returns a product with another id.
func withID(body []byte, id, newID string) ([]byte, error) {
	before, err := json.Marshal(id)
	if err != nil {
		return nil, err
	}
	after, err := json.Marshal(newID)
	if err != nil {
		return nil, err
	}
	body = bytes.Replace(body, before, after, 1)
	if got, err := idOf(body); err != nil || got != newID {
		return nil, errors.Join(
			fmt.Errorf("product %q cannot get another id, since its id also occurs before the member id", id),
			err,
		)
	}
	return body, nil
}

func idOf(body []byte) (string, error) {
	var product struct {
		ID string `json:"id"`
	}
	err := json.Unmarshal(body, &product)
	return product.ID, err
}

// writeLines writes a file with the lines that the function lines passes to its argument.
func writeLines(file string, lines func(write func([]byte) error) error) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(out, 1<<20)
	err = lines(func(line []byte) error {
		if _, err := buffered.Write(line); err != nil {
			return err
		}
		return buffered.WriteByte('\n')
	})
	return errors.Join(err, buffered.Flush(), out.Close())
}

// eachLine calls f for each line of a file, which may be compressed with gzip. f may keep the line.
func eachLine(file string, f func(id string, line []byte) error) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	var reader io.Reader = in
	if filepath.Ext(file) == ".gz" {
		if reader, err = gzip.NewReader(in); err != nil {
			return err
		}
	}
	lines := bufio.NewScanner(reader)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		line := bytes.Clone(lines.Bytes())
		id, err := idOf(line)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := f(id, line); err != nil {
			return err
		}
	}
	return lines.Err()
}
