def edit(p,*pairs):
    s=open(p).read()
    for a,b in pairs:
        if s.count(a)!=1: raise SystemExit((p,s.count(a),a))
        s=s.replace(a,b)
    open(p,'w').write(s)
