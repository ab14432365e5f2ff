package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/caarlos0/env/v11"
)

// config is the server's environment.
type config struct {
	// Addr is where to listen.
	Addr string `env:"PRODUCTINDEX_ADDR" envDefault:"127.0.0.1:8080"`
	// Catalogue is where the products are.
	Catalogue catalogue
	// Backend is where the index is: bleve, elasticsearch or meilisearch.
	Backend string `env:"PRODUCTINDEX_BACKEND" envDefault:"bleve"`
	// Index is the folder of bleve's index. Default: productindex in the user's cache folder.
	Index string `env:"PRODUCTINDEX_INDEX"`
	// KeepPrevious is how many indexes of each tenant that were live are kept, to go back to; each takes the disk's space
	// of an index.
	KeepPrevious int `env:"PRODUCTINDEX_KEEP_PREVIOUS" envDefault:"1"`
	// Elasticsearch is the server that has the index.
	Elasticsearch elasticsearch
	// Meilisearch is the server that has the index.
	Meilisearch meili

	// Jobs is where jobs are kept: nowhere but in memory (the default), in a file of SQLite, "sqlite:jobs.db", or in
	// PostgreSQL, by URL, "postgres://user:password@host/database". Servers on one PostgreSQL and one index run each
	// tenant once among them.
	Jobs string `env:"PRODUCTINDEX_JOBS,unset"`
	// JobsLease is how long after its last sign of life a server that has died counts as alive, and its jobs with it.
	JobsLease time.Duration `env:"PRODUCTINDEX_JOBS_LEASE" envDefault:"30s"`

	// Fleet has several servers reindex one tenant together.
	Fleet fleetSettings

	// ServerURL is how clients reach this server, and TokenURL where they get their tokens, as the served OpenAPI document
	// has it: URLs or paths; see httpapi.Config.
	ServerURL string `env:"PRODUCTINDEX_SERVER_URL"`
	TokenURL  string `env:"PRODUCTINDEX_TOKEN_URL"`

	// Token is a bearer token that may do everything. Without it and SignedTokens the server listens on loopback addresses
	// only.
	Token string `env:"PRODUCTINDEX_TOKEN,unset"`
	// SignedTokens are also accepted.
	SignedTokens signedTokens
	// MaxFailures is how many requests without a valid token a client may send in a minute; 0: any number. Behind a proxy,
	// all clients are one here.
	MaxFailures int `env:"PRODUCTINDEX_FAILURES_PER_MINUTE" envDefault:"30"`
	// MaxTriggers is the largest number of triggers that a tenant may send in a minute; 0: any number.
	MaxTriggers int `env:"PRODUCTINDEX_TRIGGERS_PER_MINUTE" envDefault:"60"`

	// Changes has products changed one by one through PUT and DELETE /indexing/{tenant}/products/{id} and POST
	// /indexing/{tenant}/changes.
	Changes bool `env:"PRODUCTINDEX_CHANGES" envDefault:"false"`

	// Operations say when tenants are reindexed, how fast, and who learns of the end.
	Operations operations

	// Golden is a folder with the golden queries of tenants, such as acme.golden.json: what an index has to find before it
	// goes live; see package golden.
	Golden string `env:"PRODUCTINDEX_GOLDEN"`

	// MaxRejected is the largest number of products of a catalogue that may be bad.
	MaxRejected int64 `env:"PRODUCTINDEX_MAX_REJECTED" envDefault:"0"`
	// MaxRuns is the largest number of tenants that are reindexed at the same time.
	MaxRuns int `env:"PRODUCTINDEX_MAX_RUNS" envDefault:"2"`
	// ShutdownTimeout is how long running reindexes may go on after SIGTERM.
	ShutdownTimeout time.Duration `env:"PRODUCTINDEX_SHUTDOWN_TIMEOUT" envDefault:"30s"`
}

func loadConfig() (config, error) {
	cfg, err := env.ParseAs[config]()
	if err != nil {
		return cfg, err
	}
	if cfg.Token == "" && !cfg.SignedTokens.wanted() && !loopback(cfg.Addr) {
		return cfg, fmt.Errorf(
			"PRODUCTINDEX_ADDR is %s, which others can reach: also set PRODUCTINDEX_TOKEN or PRODUCTINDEX_OAUTH_*", cfg.Addr,
		)
	}
	if cfg.Index == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return cfg, fmt.Errorf("set PRODUCTINDEX_INDEX: %w", err)
		}
		cfg.Index = filepath.Join(cache, "productindex")
	}
	return cfg, nil
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
