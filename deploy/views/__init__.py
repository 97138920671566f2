"""What the commands show, and write beside it: a module a command, over the tables that several of them print."""
