-- Devices that signed in are known until an account's epoch moves on.

ALTER TABLE users ADD COLUMN device_epoch INTEGER NOT NULL DEFAULT 0;
