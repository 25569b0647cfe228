package jobs

import (
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
)

// listenDriver is River's Postgres driver with a second pool for listening. The first
// pool may lead through a pooler, and no notification arrives there.
type listenDriver struct {
	*riverpgxv5.Driver
	listen *riverpgxv5.Driver
}

var _ riverdriver.Driver[pgx.Tx] = (*listenDriver)(nil)

// GetListener gives River the listener that it waits on for new jobs.
func (d *listenDriver) GetListener(p *riverdriver.GetListenenerParams) riverdriver.Listener {
	return d.listen.GetListener(p)
}
