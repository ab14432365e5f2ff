package main

import (
	"database/sql"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caarlos0/env/v11"
	"golang.org/x/text/encoding/charmap"

	"productindex/reindex/reindextest/mysqltest"
)

// products returns the products of the tenant acme, as JSON by their ids, from the source that an environment
// configures.
func products(t *testing.T, environment map[string]string) map[string]string {
	t.Helper()
	cfg, err := env.ParseAsWithOptions[config](env.Options{Environment: environment})
	if err != nil {
		t.Fatal(err)
	}
	src, stop, err := cfg.Catalogue.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	snap, err := src.Open(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for p, err := range snap.Products(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all[p.ID] = string(p.Body)
	}
	if err := errors.Join(snap.Close(), stop()); err != nil {
		t.Fatal(err)
	}
	return all
}

// serveAndFind reindexes the tenant acme with a server in an environment, and checks the number of products.
func serveAndFind(t *testing.T, environment map[string]string, want int64) {
	t.Helper()
	var list []string
	for name, value := range environment {
		list = append(list, name+"="+value)
	}
	s := start(t, append(list, "PRODUCTINDEX_INDEX="+t.TempDir())...)
	if status, body := s.do(t, http.MethodPost, "/indexing/acme/reindex", ""); status != http.StatusNoContent {
		t.Fatalf("the reindex was answered with %d %s, want 204", status, body)
	}
	s.await(t, "reindex succeeded", &struct{}{})
	if n := s.total(t, "/search/acme"); n != want {
		t.Errorf("%d products are indexed, want %d", n, want)
	}
	if n := s.total(t, "/search/acme?q=socken"); n != 1 {
		t.Errorf("%d products are found, want 1", n)
	}
	s.stop(t)
}

// CSV files are read in the dialect that the environment configures.
func TestCSV(t *testing.T) {
	const text = "exported today\nsku;größe;preis;neu;extra;name\nA1;XL;19,90;true;\"{\"\"a\"\":1}\";Socken\n" +
		"A1;S;7;;;\"x\"\nB2;;n/a;;NULL;NULL\n"
	encoded, err := charmap.Windows1252.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	catalogues := t.TempDir()
	if err := os.WriteFile(filepath.Join(catalogues, "acme.csv"), []byte(encoded), 0o600); err != nil {
		t.Fatal(err)
	}
	environment := map[string]string{
		"PRODUCTINDEX_CATALOGUES": catalogues, "PRODUCTINDEX_FORMAT": "csv", "PRODUCTINDEX_ID": "sku,größe",
		"PRODUCTINDEX_TYPES": "preis:number, neu:bool,extra:json", "PRODUCTINDEX_CSV_COMMA": ";",
		"PRODUCTINDEX_CSV_DECIMAL_COMMA": "true",
		"PRODUCTINDEX_CSV_ENCODING":      "windows-1252", "PRODUCTINDEX_CSV_NULL_WORDS": "n/a,NULL",
		"PRODUCTINDEX_CSV_SKIP_ROWS": "1",
	}
	want := map[string]string{
		"A1:XL": `{"sku":"A1","größe":"XL","preis":19.90,"neu":true,"extra":{"a":1},"name":"Socken"}`,
		"A1:S":  `{"sku":"A1","größe":"S","preis":7,"neu":null,"extra":null,"name":"x"}`,
		"B2:":   `{"sku":"B2","größe":"","preis":null,"neu":null,"extra":null,"name":null}`,
	}
	if got := products(t, environment); !maps.Equal(got, want) {
		t.Errorf("the products are %s, want %s", got, want)
	}
	serveAndFind(t, environment, 3)
	environment["PRODUCTINDEX_CSV_QUOTES"] = "none"
	delete(environment, "PRODUCTINDEX_TYPES")
	if got := products(t, environment)["A1:S"]; !strings.Contains(got, `"name":"\"x\""`) {
		t.Errorf("without quotes, the product is %s, want quotes in its name", got)
	}
	environment["PRODUCTINDEX_CSV_QUOTES"], environment["PRODUCTINDEX_CSV_COMMA"] = "lazy", "tab"
	environment["PRODUCTINDEX_ID"] = "a"
	environment["PRODUCTINDEX_CSV_SKIP_ROWS"], environment["PRODUCTINDEX_CSV_ENCODING"] = "0", "utf-8"
	if err := os.WriteFile(filepath.Join(catalogues, "acme.csv"), []byte("a\tb\n1\tthe \"best\" one\n"), 0o600); err !=
		nil {
		t.Fatal(err)
	}
	if got := products(t, environment); !maps.Equal(got, map[string]string{"1": `{"a":"1","b":"the \"best\" one"}`}) {
		t.Errorf("the products are %s, want product 1 with its quotes", got)
	}
}

// Catalogues in a database are read with the query that the environment configures.
func TestSQL(t *testing.T) {
	for name, test := range map[string]struct {
		driver, param string
		open          func(t *testing.T) (dsn, url string)
	}{
		"PostgreSQL": {"pgx", "$1", func(t *testing.T) (string, string) {
			u := startPostgres(t)
			return u, u
		}},
		"MariaDB": {"mysql", "?", func(t *testing.T) (string, string) {
			dsn := mysqltest.Start(t)
			socket := strings.TrimSuffix(strings.TrimPrefix(dsn, "root@unix("), ")/test")
			return dsn, "mysql://root@/test?parseTime=true&socket=" + url.QueryEscape(socket)
		}},
		"SQLite": {"sqlite", "?", func(t *testing.T) (string, string) {
			path := filepath.Join(t.TempDir(), "50% of a shop?.db")
			return "file:" + (&url.URL{Path: path}).EscapedPath(), "sqlite:" + path
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dsn, address := test.open(t)
			db, err := sql.Open(test.driver, dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			for _, statement := range []string{
				"CREATE TABLE products (tenant varchar(20), sku varchar(20), name varchar(50), attributes text, PRIMARY KEY " +
					"(tenant, sku))",
				"INSERT INTO products VALUES ('acme', 'a', 'Socken', '{\"color\":\"red\"}'), ('acme', 'b', 'Hut', NULL), " +
					"('other', 'a', 'Socken', NULL)",
			} {
				if _, err := db.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			environment := map[string]string{
				"PRODUCTINDEX_DATABASE": address, "PRODUCTINDEX_ID": "sku", "PRODUCTINDEX_TYPES": "attributes:json",
				"PRODUCTINDEX_QUERY": "SELECT sku, name, attributes FROM products WHERE tenant = " + test.param +
					"; -- one tenant's",
			}
			want := map[string]string{
				"a": `{"sku":"a","name":"Socken","attributes":{"color":"red"}}`, "b": `{"sku":"b","name":"Hut","attributes":null}`,
			}
			if got := products(t, environment); !maps.Equal(got, want) {
				t.Errorf("the products are %s, want %s", got, want)
			}
			serveAndFind(t, environment, 2)
		})
	}
}
