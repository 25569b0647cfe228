-- How a person likes the program: language, time zone, look, sounds. NULL where nothing was set.
ALTER TABLE users ADD COLUMN preferences {{.JSON}};
