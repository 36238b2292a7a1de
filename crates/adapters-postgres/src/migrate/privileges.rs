//! Who may use the tables of a database that is taken over: whoever was allowed
//! to use the old ones may use those of the same name.

/// Writes a GRANT for each privilege on the old tables, on columns that are still
/// there, and on the sequences of ids. An owner other than the role that takes
/// over, as when an administrator does it, counts as somebody with all privileges.
pub(super) const GRANTS: &str = "
    WITH tables AS (
        SELECT name, ('utsavam_adoption.' || name)::regclass AS old,
               pg_get_serial_sequence('utsavam_adoption.' || name, 'id')::regclass AS old_sequence
        FROM (VALUES ('users'), ('events'), ('bookings')) AS names (name)),
    objects (target, columns, acl) AS (
        SELECT 'TABLE ' || name, '', coalesce(relacl, acldefault('r', relowner))
        FROM tables JOIN pg_class ON oid = old
        UNION ALL
        SELECT 'TABLE ' || name, format(' (%I)', a.attname), a.attacl
        FROM tables JOIN pg_attribute a ON a.attrelid = old
        JOIN pg_attribute n ON n.attrelid = name::regclass AND n.attname = a.attname
        UNION ALL
        SELECT 'SEQUENCE ' || pg_get_serial_sequence(name, 'id'), '',
               coalesce(relacl, acldefault('s', relowner))
        FROM tables JOIN pg_class ON oid = old_sequence)
    SELECT format('GRANT %s%s ON %s TO %s%s', privilege_type, columns, target,
                  CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
                  CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM objects, aclexplode(acl)
    WHERE grantee <> (SELECT oid FROM pg_roles WHERE rolname = current_user)";
