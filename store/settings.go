package store

import (
	"context"
	"errors"

	"github.com/uptrace/bun"
)

type setting struct {
	bun.BaseModel `bun:"table:settings,alias:st"`
	Key           string `bun:",pk"`
	Value         string
}

// Setting returns one of the program's own values; ErrNotFound when unset.
func (q Queries) Setting(ctx context.Context, key string) (string, error) {
	s := new(setting)
	if _, err := first(ctx, q.db.NewSelect().Model(s).Where("st.key = ?", key), s); err != nil {
		return "", err
	}
	return s.Value, nil
}

// HasCanary tells whether a SQLite database, of whatever schema, was made with encryption keys.
func (d *DB) HasCanary(ctx context.Context) (bool, error) {
	if there, err := d.hasTable(ctx, "settings"); err != nil || !there {
		return false, err
	}
	_, err := d.Setting(ctx, SettingCanary)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// SetSetting writes a value, replacing an older one.
func (t *Tx) SetSetting(ctx context.Context, key, value string) error {
	_, err := t.db.NewInsert().Model(&setting{Key: key, Value: value}).
		On("CONFLICT (key) DO UPDATE").Set("value = EXCLUDED.value").Exec(ctx)
	return translate(err)
}

// InitSetting writes a value unless the key has one. It returns the stored value.
func (t *Tx) InitSetting(ctx context.Context, key, value string) (string, error) {
	if _, err := t.db.NewInsert().Model(&setting{Key: key, Value: value}).
		On("CONFLICT (key) DO NOTHING").Exec(ctx); err != nil {
		return "", translate(err)
	}
	return t.Setting(ctx, key)
}

// SwapSetting replaces a value. It returns false, and changes nothing, when the value is not
// was any more.
func (t *Tx) SwapSetting(ctx context.Context, key, was, value string) (bool, error) {
	n, err := affected(t.db.NewUpdate().Model((*setting)(nil)).Set("value = ?", value).Where("key = ?", key).Where("value = ?", was).Exec(ctx))
	return n > 0, err
}

// DeleteSetting deletes a value. ErrNotFound when it was not set, so only one caller can
// spend a one-time value.
func (t *Tx) DeleteSetting(ctx context.Context, key string) error {
	res, err := t.db.NewDelete().Model((*setting)(nil)).Where("key = ?", key).Exec(ctx)
	return changed(res, err, ErrNotFound)
}
